from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from trainer.evaluation.segments import Segment, is_large, segment_columns, segment_figures


def test_segments_of_a_table_are_named_by_channel_type_and_institution() -> None:
    frame = pl.DataFrame(
        {"channel": [2, 0, 2], "type": [1, 1, 1], "institution_id": ["b", "", "a"]},
        schema={"channel": pl.Int8, "type": pl.Int8, "institution_id": pl.String},
    )
    found = segment_columns(frame)
    told = {kind: [segment.names[code] for code in segment.code] for kind, segment in found.items()}
    assert told == {
        "channel": ["ECOMMERCE", "UNSPECIFIED", "ECOMMERCE"],
        "type": ["PURCHASE"] * 3,
        "institution": ["b", "(none)", "a"],
    }
    assert found["institution"].of("a").tolist() == [False, False, True]
    assert found["channel"].rows(slice(1, 2)).code.tolist() == [0]


def test_a_table_without_rows_has_segments_without_names() -> None:
    frame = pl.DataFrame(schema={"channel": pl.Int8, "type": pl.Int8, "institution_id": pl.String})
    assert all(segment.names == () for segment in segment_columns(frame).values())


def test_figures_of_segments_are_those_worked_out_by_hand() -> None:
    label = np.array([True, False, True, False, False])
    probability = np.array([0.9, 0.8, 0.2, 0.6, 0.1], dtype=np.float32)
    channel = Segment(np.array([0, 0, 0, 1, 1], dtype=np.int32), ("ATM", "WEB"))
    atm, web = segment_figures(label, probability, 0.5, {"channel": channel})
    assert (atm.segment, atm.name, atm.rows, atm.frauds, atm.share) == ("channel", "ATM", 3, 2, 0.6)
    assert atm.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert atm.recall == 0.5
    assert atm.alert_share == pytest.approx(2 / 3)
    assert not atm.large
    assert (web.average_precision, web.recall, web.alert_share) == (None, None, 0.5)
    assert web.document()["name"] == "WEB"


def test_a_name_that_has_no_row_in_the_window_has_no_figures() -> None:
    segment = Segment(np.zeros(2, dtype=np.int32), ("ATM", "WEB"))
    label, probability = np.array([True, False]), np.array([0.9, 0.1], dtype=np.float32)
    assert [found.name for found in segment_figures(label, probability, 0.5, {"channel": segment})] == ["ATM"]


@pytest.mark.parametrize(
    ("rows", "frauds", "all_rows", "large"),
    [(1000, 30, 5000, True), (1000, 29, 5000, False), (1000, 30, 200_000, False), (30, 30, 100, False)],
)
def test_a_segment_is_large_by_frauds_and_by_share_of_rows(
    rows: int, frauds: int, all_rows: int, large: bool
) -> None:
    assert is_large(rows, frauds, all_rows) == large
