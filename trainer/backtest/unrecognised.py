"""Kinds of fraud that the bank never recognised: taken out of all that may be known, kept as the truth.

So it can be asked what a model finds of a kind that nobody has reported yet. Its transactions stay, as
transactions that nobody complained of: they count in windows, and their reports change no feature.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from kuntur.fields.schema import LABEL_COLUMNS
from kuntur.tables import Table


class UnknownKindError(ValueError):
    """A kind of fraud is to be left out that the data do not have."""


def without_reports(table: Table, kinds: tuple[str, ...]) -> Table:
    """Returns the table as if frauds of these kinds had never been reported; the rows stay.

    Raises UnknownKindError for a kind of which the table has no fraud.
    """
    if not kinds:
        return table
    if table.kinds is None:
        raise UnknownKindError(
            "backtest.leave_out needs data that say what kind of fraud a row was: name the column in the "
            "mapping, as label.kind"
        )
    known = sorted(set(table.kinds.unique()) - {""})
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        have = ", ".join(known) if known else "none at all"
        raise UnknownKindError(f"backtest.leave_out: no fraud of kind {', '.join(unknown)}; there is {have}")
    left_out = table.kinds.is_in(list(kinds))
    labels = [pl.when(~left_out).then(pl.col(name)).alias(name) for name in LABEL_COLUMNS]
    return replace(table, frame=table.frame.with_columns(labels))


def truth(table: Table) -> npt.NDArray[np.bool_]:
    """Returns which rows are fraud, as known in the end, bool [n]."""
    return table.frame["is_fraud"].fill_null(value=False).to_numpy()
