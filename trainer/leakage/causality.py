"""The proof that features do not look ahead: computed again without the future, they are the same bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.features.engine import latest_hours
from kuntur.features.label_changes import label_changes
from kuntur.tables import Table, to_batch
from kuntur.transaction import IntColumn
from trainer.dataset.parts import PART_ROWS
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
    changes = label_changes(outcomes.rows(outcomes.reported_time_us <= until_us))
    catalogue = dataset.features.only(np.arange(len(FEATURE_NAMES)))
    counts, done = np.zeros(len(FEATURE_NAMES), dtype=np.int64), 0
    for again in engine.replay_blocks(first, changes, latest_hours(first), PART_ROWS):
        given = catalogue.take(order[done : done + len(again)]).load()
        # Not `==`: an unset value is equal to itself here.
        counts += (given.view(np.uint32) != again.view(np.uint32)).sum(axis=0)
        done += len(again)
    differing = {name: int(count) for name, count in zip(FEATURE_NAMES, counts, strict=True) if count}
    return Causality(len(order), until_us, differing)
