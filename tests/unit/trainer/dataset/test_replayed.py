from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from trainer.release.replayed import told_figures, write_scored


def _frame(is_fraud: list[bool | None]) -> pl.DataFrame:
    count = len(is_fraud)
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "source_row": list(range(count)),
            "transaction_id": [f"t{place}" for place in range(count)],
            "institution_id": [""] * count,
            "event_time": [moment] * count,
            "account_id": ["a"] * count,
            "is_fraud": pl.Series(is_fraud, dtype=pl.Boolean),
            "reported_time": [None if label is None else moment for label in is_fraud],
        }
    )


def test_the_file_has_labels_where_they_are_known_and_the_figures_are_of_those(tmp_path: Path) -> None:
    path = tmp_path / "scored.parquet"
    scores = np.array([0.9, 0.8, 0.2, 0.7], dtype=np.float32)
    found = write_scored(_frame([True, False, True, None]), scores, 0.7, path)
    written = pl.read_parquet(path)
    assert written["is_fraud"].to_list() == [True, False, True, None]
    assert written["flagged"].to_list() == [True, True, False, True]
    assert (found.scored, found.flagged, found.labelled, found.frauds) == (4, 3, 3, 2)
    assert (found.recall, found.precision) == (0.5, 0.5)
    assert told_figures(found) == [
        "Scored 4 transactions, 3 of them flagged (at or above the review threshold)",
        "Labels are known of 3, with 2 frauds: recall 50.0\u00a0%, precision 50.0\u00a0%, AUC-PR 0.8333",
    ]


def test_without_labels_nothing_is_said_of_recall(tmp_path: Path) -> None:
    found = write_scored(_frame([None]), np.array([0.1], dtype=np.float32), 0.7, tmp_path / "scored.parquet")
    assert (found.recall, found.precision, found.average_precision) == (None, None, None)
    assert len(told_figures(found)) == 1
