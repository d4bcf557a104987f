"""Reads files of outcomes: what became known of transactions, and when, without the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from kuntur.fields.schema import OUTCOME_COLUMNS
from kuntur.tables.checked import checked_rows
from kuntur.tables.mapping import Mapping
from kuntur.tables.reading.canonical import LABELLED, canonical_outcomes
from kuntur.tables.reading.scan import open_files, outcome_columns
from kuntur.tables.rejects import RejectReport
from kuntur.validation.columns import outcome_rules


@dataclass(frozen=True)
class OutcomeTable:
    """Outcomes by reported time, those of one moment in the order of the source.

    frame: transaction_id, institution_id ("" when not given), is_fraud, reported_time (UTC); no nulls.
    """

    frame: pl.DataFrame
    rejects: RejectReport

    def __len__(self) -> int:
        return self.frame.height


def read_outcomes(
    paths: str | Path | Sequence[str | Path],
    mapping: Mapping,
    *,
    reject_path: Path | None = None,
    max_reject_share: float = 0.01,
) -> OutcomeTable:
    """Reads the outcomes in CSV, Parquet and JSON-lines files, by path or glob.

    Only the transaction's id, its institution where the mapping has one, and the label are read; the
    event time too where the files have it, from which label.delay_days counts. Rows without a label are
    passed over: neither checked nor counted. The rest is as in `kuntur.tables.read`, so a later row on a
    transaction that has an outcome is a duplicate. `Mapping.load(..., reads="outcomes")` accepts a mapping
    that names no more than this. Raises MappingError, SourceError and TooManyRejects as `read` does.
    """
    mapping.require("outcomes")
    files = open_files(paths, mapping, outcome_columns(mapping))
    frame, report = checked_rows(
        files,
        [canonical_outcomes(mapping, file.schema) for file in files],
        outcome_rules(),
        pl.col(LABELLED),
        reject_path,
        max_reject_share,
    )
    return OutcomeTable(frame.select(OUTCOME_COLUMNS).sort("reported_time", maintain_order=True), report)
