from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from kuntur.tables import Finding, Reason, RejectReport, Table, canonical_schema
from trainer.sources.profile import ColumnClass, profile
from trainer.sources.quality import column_class, quality_profile

NONE = ColumnClass.NONE


def of(values: Any, personal_data: ColumnClass = NONE, name: str = "x") -> dict[str, Any]:
    return profile(name, pl.Series(name, values), personal_data)


def test_every_canonical_column_has_a_class() -> None:
    known = {name for name in canonical_schema() if column_class(name) is not ColumnClass.UNKNOWN}
    assert set(canonical_schema()) - known == {"source_row"}
    assert column_class("attribute.age") is ColumnClass.UNKNOWN


def test_missing_counts_nulls_empty_texts_and_what_is_no_number() -> None:
    assert of(["a", "", None, "b"])["missing"] == 0.5
    assert of([1.0, None, float("nan"), 2.0])["missing"] == 0.5
    assert of([None, None], name="x")["distinct"] == 0
    assert profile("x", pl.Series("x", [], dtype=pl.Int64), NONE)["missing"] == 0


def test_ids_are_counted_and_never_listed() -> None:
    found = of(["ana"] * 30 + ["luis"] * 10, ColumnClass.IDENTIFIER)
    assert found["distinct"] == 2
    assert found["rows_per_value"] == {"median": 10, "0.99": 10}
    assert "ana" not in str(found)


def test_top_values_fold_what_few_rows_have() -> None:
    found = of(["a"] * 20 + ["b"] * 20 + ["rare"] * 9)
    assert found["top"] == [{"value": "a", "rows": 20}, {"value": "b", "rows": 20}]
    assert found["others"] == {"values": 1, "rows": 9}


def test_text_of_very_many_values_is_not_listed() -> None:
    assert "top" not in of([f"v{i}" for i in range(1001)] * 10)


def test_numbers_of_kinds_are_named() -> None:
    found = of(pl.Series([1] * 12 + [3] * 15, dtype=pl.Int8), name="channel")
    assert found["top"] == [{"value": "ATM", "rows": 15}, {"value": "POINT_OF_SALE", "rows": 12}]


def test_outliers_lie_beyond_tukeys_fences() -> None:
    found = of([*range(100), 1000, -1000])["outliers"]
    assert found["share_above"] == found["share_below"] == pytest.approx(1 / 102, abs=1e-6)
    assert "outliers" not in of([5] * 90 + [9] * 10)  # the quartiles are equal: there is no scale


def test_skewed_amounts_are_judged_and_shown_by_logarithm() -> None:
    amounts = np.random.default_rng(0).lognormal(5, 1.5, 5000)
    found = of(amounts)
    assert found["histogram"]["scale"] == "logarithmic"
    assert found["outliers"]["rule"].endswith("log(1 + value)")
    assert found["outliers"]["share_above"] < 0.01
    assert of(np.random.default_rng(0).normal(size=5000))["histogram"]["scale"] == "linear"


def test_the_histogram_holds_the_middle_and_counts_the_rest() -> None:
    found = of(np.arange(10_000.0))["histogram"]
    assert sum(found["rows"]) + found["rows_below"] + found["rows_above"] == 10_000
    assert found["rows_below"] == found["rows_above"] == 100
    assert len(found["edges"]) == len(found["rows"]) + 1


def test_no_extreme_and_no_bar_of_a_few_rows_is_shown() -> None:
    values = np.concatenate([np.full(2000, 10.0), np.full(2000, 20.0), [15.0], [987654321.0]])
    found = of(values, ColumnClass.FINANCIAL)
    assert "98765" not in str(found)
    assert [count for count in found["histogram"]["rows"] if count] == [2000, 2000]


def test_a_number_that_may_name_a_person_is_rounded() -> None:
    found = of(np.arange(41_234_567.0, 41_236_567.0), ColumnClass.UNKNOWN)
    assert set(found["quantiles"].values()) == {41_200_000.0}
    assert set(found["histogram"]["edges"]) == {41_200_000.0}


def test_times_are_shown_by_days() -> None:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    found = of([start + timedelta(hours=i) for i in range(480)])
    assert (found["first_day"], found["last_day"], found["distinct_days"]) == ("2024-03-01", "2024-03-20", 20)
    assert found["distinct"] == 480
    assert sum(found["histogram"]["rows"]) == 480


def test_the_quality_profile_holds_no_offending_value() -> None:
    finding = Finding(Reason.UNPARSEABLE, "account_id", "cuenta", 3, "ana@example.org")
    empty = pl.DataFrame(schema=canonical_schema())
    table = Table(empty, RejectReport(rows_read=5, rows_rejected=3, findings=(finding,), path=None))
    assert "ana@" not in str(quality_profile(table))
    (found,) = quality_profile(table)["rejected"]["findings"]
    assert found == {"reason": Reason.UNPARSEABLE.value, "field": "account_id", "column": "cuenta", "rows": 3}
    assert "source_row" not in quality_profile(table)["columns"]
