"""The proof that features do not look ahead: computed again without the future, they are the same bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.tables import Table, to_batch
from kuntur.transaction import IntColumn
from trainer.dataset.training_set import Dataset
from trainer.sources.labels import known_outcomes

_MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Causality:
    """What came of it: rows compared, the moment behind which all was hidden, and the columns that differ.

    until_us: microseconds since the epoch; differing: number of rows by column, empty when all are equal.
    """

    rows: int
    until_us: int
    differing: dict[str, int]


def check_causality(table: Table, dataset: Dataset, secret: npt.NDArray[np.uint64]) -> Causality:
    """Replays the first half of the rows as they were served, with the reports until then and no later ones.

    A feature that used anything behind that moment, a transaction or a report, cannot give the same bits
    for the rows just before it. At the most a million rows are replayed.
    """
    batch = to_batch(table.frame, secret)
    _, outcomes = known_outcomes(table, batch.keys)
    order = np.arange(len(batch))
    if table.served_by_source_row:
        order = np.argsort(dataset.source_row, kind="stable")
    order = order[: min(len(order) // 2, _MOST_ROWS)]
    if not len(order):
        return Causality(0, 0, {})
    first = batch.rows(order)
    until_us = int(first.ints[:, IntColumn.EVENT_TIME_US].max())
    engine = FeatureEngine(zone=dataset.zone)
    seen = engine.replay(first, outcomes.rows(outcomes.reported_time_us <= until_us))
    differing = {}
    for column, name in enumerate(FEATURE_NAMES):
        given, again = dataset.features[order, column], seen[:, column]
        # Not `==`: an unset value is equal to itself here.
        count = int((given.view(np.uint32) != np.ascontiguousarray(again).view(np.uint32)).sum())
        if count:
            differing[name] = count
    return Causality(len(order), until_us, differing)
