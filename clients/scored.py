"""The answers to a file's rows as columns, and the file they are written to."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from clients.errors import KunturError, broken_contract, error_from_status
from kuntur.api.v1 import score_pb2
from kuntur.scores import Decision

_DECISION_NAMES = {decision.value: decision.name for decision in Decision}
_REASONS = "reasons"
_REASONS_TYPE = pl.List(
    pl.Struct(
        {"feature": pl.String, "value": pl.Float64, "contribution": pl.Float64, "description": pl.String}
    )
)
_KEPT_COLUMNS = (
    "source_row",
    "transaction_id",
    "institution_id",
    "event_time",
    "account_id",
    "counterparty_account_id",
    "merchant_id",
    "device_id",
)


class ScoredRows:
    """Gathers answers in the order of the rows, with their reasons when told to."""

    def __init__(self, *, with_reasons: bool = False) -> None:
        self.reasons: list[list[dict[str, str | float | None]]] | None = [] if with_reasons else None
        self.fraud_probability: list[float | None] = []
        self.decision: list[str] = []
        self.model_version: list[str] = []
        self.error: list[str] = []
        self.errors_by_reason: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self.error)

    @property
    def error_count(self) -> int:
        """Rows without a score so far."""
        return self.errors_by_reason.total()

    def add(self, results: Sequence[score_pb2.ScoreResult]) -> None:
        """Takes the answers to the next rows."""
        for result in results:
            if result.HasField("score"):
                score = result.score
                self.fraud_probability.append(score.fraud_probability)
                self.decision.append(_DECISION_NAMES.get(score.decision, Decision.UNSPECIFIED.name))
                self.model_version.append(score.model_version)
                self.error.append("")
                if self.reasons is not None:
                    self.reasons.append([_reason(each) for each in score.reasons])
            elif result.HasField("status"):
                self.add_error(error_from_status(result.status))
            else:
                self.add_error(broken_contract("The server sent a result with neither score nor status."))

    def add_error(self, error: KunturError, row_count: int = 1) -> None:
        """Takes the same error for the next rows."""
        violations = "; ".join(
            f"{each.field}: {each.description}" for each in getattr(error, "violations", ())
        )
        text = f"{error.reason}: {violations or error.message or 'no further word'}"
        self.fraud_probability += [None] * row_count
        self.decision += [""] * row_count
        self.model_version += [""] * row_count
        self.error += [text] * row_count
        if self.reasons is not None:
            self.reasons += [[] for _ in range(row_count)]
        self.errors_by_reason[error.reason] += row_count

    def frame(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Returns the rows' ids with fraud_probability as received, decision, model_version and error.

        With reasons, these too: a list of structs with feature, value (null when unset or infinite),
        contribution and description.
        """
        frame = rows.select(_KEPT_COLUMNS).with_columns(
            pl.Series("fraud_probability", self.fraud_probability, pl.Float64),
            pl.Series("decision", self.decision, pl.String),
            pl.Series("model_version", self.model_version, pl.String),
            pl.Series("error", self.error, pl.String),
        )
        if self.reasons is None:
            return frame
        return frame.with_columns(pl.Series(_REASONS, self.reasons, _REASONS_TYPE))


def _reason(reason: score_pb2.Reason) -> dict[str, str | float | None]:
    return {
        "feature": reason.feature,
        "value": reason.value if math.isfinite(reason.value) else None,  # JSON has no other numbers
        "contribution": reason.contribution,
        "description": reason.description,
    }


def write(frame: pl.DataFrame, path: Path) -> None:
    """Writes .parquet, .csv or .jsonl; every number reads back as the same bits.

    CSV knows no lists: there the reasons of a row are JSON, empty without any.
    """
    match path.suffix:
        case ".parquet":
            frame.write_parquet(path)
        case ".csv":
            if _REASONS in frame.columns:
                text = [
                    json.dumps(each, ensure_ascii=False) if each else "" for each in frame[_REASONS].to_list()
                ]
                frame = frame.with_columns(pl.Series(_REASONS, text, pl.String))
            frame.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
        case _:
            frame.write_ndjson(path)
