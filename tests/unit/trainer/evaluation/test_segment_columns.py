"""Segments of a table: bands, the largest names, and what a table does not tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from trainer.evaluation.segments import OTHER, Segment, segment_columns, segment_figures
from trainer.evaluation.segments.columns import OF_FRAUDS, amount_edges


def table(**columns: Any) -> pl.DataFrame:
    rows = len(next(iter(columns.values())))
    given = {"channel": [1] * rows, "type": [1] * rows, "institution_id": ["a"] * rows} | columns
    return pl.DataFrame(given, schema_overrides={"account_age_days": pl.Int32, "account_type": pl.Int8})


def told(segment: Segment) -> list[str]:
    return [segment.names[code] for code in segment.code]


def test_bands_of_amounts_end_at_round_numbers_near_quantiles() -> None:
    amounts = np.arange(1.0, 1001.0)
    assert amount_edges(amounts) == [200, 500, 1000]  # 0.2, 0.5 and from 0.8 on the same
    assert amount_edges(amounts * 1000) == [200_000, 500_000, 1_000_000]
    assert amount_edges(np.full(9, 3.0)) == []
    assert amount_edges(np.zeros(0)) == []


def test_amounts_are_of_the_most_frequent_currency_and_another_is_by_itself() -> None:
    frame = table(
        amount_minor=[100, 4_000, 10_000, 100_000, 100_000_000, 700],
        currency_code=["PEN", "PEN", "PEN", "PEN", "PEN", "USD"],
    )
    found = told(segment_columns(frame)["amount"])
    assert found[0].startswith("below ")
    assert found[4].endswith("PEN and more")
    assert found[5] == "(another currency)"
    yen = segment_columns(table(amount_minor=[7, 500, 90_000], currency_code=["JPY"] * 3))["amount"]
    assert yen.names[-1].endswith("JPY and more")
    assert "90,000" not in yen.names[-1]


def test_ages_of_accounts_are_bands_and_not_known_is_one() -> None:
    frame = table(account_age_days=[0, 29, 30, 364, 365, 1095, None])
    assert told(segment_columns(frame)["account age"]) == [
        "below 30 days", "below 30 days", "30 to 89 days", "90 days to 1 year", "1 to 3 years",
        "3 years and more", "(not known)",
    ]  # fmt: skip


def test_the_largest_categories_stand_alone_and_the_rest_together() -> None:
    codes = [f"{code:04d}" for code in range(20) for _ in range(20 - code)]
    segment = segment_columns(table(merchant_category_code=codes))["merchant category"]
    assert segment.names == (*(f"{code:04d}" for code in range(15)), OTHER)
    assert segment.of(OTHER).sum() == sum(range(1, 6))
    assert segment.code.dtype == np.int8


def test_what_no_row_tells_is_no_segment() -> None:
    frame = table(
        merchant_category_code=["", ""], merchant_country_code=["", "PE"],
        account_type=[0, 0], account_age_days=[None, None],
    )  # fmt: skip
    found = segment_columns(frame)
    assert set(found) == {"channel", "type", "institution", "merchant country"}
    assert told(found["merchant country"]) == ["(none)", "PE"]


def test_kinds_of_fraud_are_a_segment_without_figures_of_its_own() -> None:
    found = segment_columns(table(fraud_kind=["mule", "", "takeover"]))
    assert told(found[OF_FRAUDS]) == ["mule", "(none)", "takeover"]
    label, score = np.array([True, False, True]), np.array([0.9, 0.1, 0.4], dtype=np.float32)
    assert segment_figures(label, score, 0.5, {OF_FRAUDS: found[OF_FRAUDS]}) == ()


def test_intervals_of_a_segment_do_not_collapse_on_one_fraud() -> None:
    label, score = np.array([True, False, False]), np.array([0.9, 0.1, 0.2], dtype=np.float32)
    segment = Segment(np.zeros(3, dtype=np.int8), ("ATM",))
    (found,) = segment_figures(label, score, 0.5, {"channel": segment}, np.array([4, 5, 6]))
    assert (found.average_precision, found.recall, found.precision) == (1, 1, 1)
    assert found.recall_low == pytest.approx(0.2065, abs=1e-4)  # Wilson, 1 of 1
    assert found.average_precision_low == found.recall_low == found.precision_low
    assert found.recall_high == 1
