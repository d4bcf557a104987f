from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kuntur.tables import Label, Mapping, MappingError, Reason, SourceError, TooManyRejects, read_outcomes

LABEL = {"column": "verdict", "fraud": ["F"], "legitimate": ["L"], "reported_time": "known"}


def mapping(*, label: dict[str, Any] = LABEL, **columns: str) -> Mapping:
    parts = {"columns": {"transaction_id": "id", **columns}, "label": label}
    return Mapping.model_validate(parts, context={"reads": "outcomes"})


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "chargebacks.csv"
    path.write_text(text)
    return path


def test_outcomes_are_read_from_id_label_and_report_alone_in_the_order_of_their_report(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "id,verdict,known\na,F,2024-05-03T10:00:00Z\nb,L,2024-05-01\n")
    table = read_outcomes(path, mapping())
    assert table.frame.columns == ["transaction_id", "institution_id", "is_fraud", "reported_time"]
    assert table.frame.rows() == [
        ("b", "", False, datetime(2024, 5, 2, tzinfo=UTC)),
        ("a", "", True, datetime(2024, 5, 3, 10, tzinfo=UTC)),
    ]
    assert len(table) == 2


def test_a_mapping_of_whole_transactions_reads_a_file_of_outcomes(tmp_path: Path) -> None:
    path = write(
        tmp_path, "transaction_id,institution_id,is_fraud,reported_time\na,bank,true,2024-05-03T10:00:00Z\n"
    )
    frame = read_outcomes(path, Mapping.load("kuntur")).frame
    assert frame.rows() == [("a", "bank", True, datetime(2024, 5, 3, 10, tzinfo=UTC))]


def test_rows_without_a_label_are_passed_over_unchecked(tmp_path: Path) -> None:
    path = write(tmp_path, "id,verdict,known\n,,\na,F,2024-05-01\na,,\n")
    table = read_outcomes(path, mapping())
    assert table.frame["transaction_id"].to_list() == ["a"]
    assert table.rejects.rows_read == 1


@pytest.mark.parametrize(
    ("row", "reason", "field"),
    [
        (",F,2024-05-01", Reason.MISSING, "transaction_id"),
        ("x" * 129 + ",F,2024-05-01", Reason.TOO_LONG, "transaction_id"),
        ("b,?,2024-05-01", Reason.UNKNOWN_VALUE, "is_fraud"),
        ("b,F,", Reason.MISSING, "reported_time"),
        ("b,F,soon", Reason.UNPARSEABLE, "reported_time"),
        ("a,F,2024-05-02", Reason.DUPLICATE, "transaction_id"),
        ("b,F,2024-05-01,more", Reason.RAGGED, "row"),
    ],
)
def test_an_outcome_that_breaks_a_rule_is_rejected_for_that_reason(
    tmp_path: Path, row: str, reason: Reason, field: str
) -> None:
    report = tmp_path / "rejects.csv"
    path = write(tmp_path, f"id,verdict,known\na,F,2024-05-01\n{row}\n")
    table = read_outcomes(path, mapping(), max_reject_share=1, reject_path=report)
    assert table.frame["transaction_id"].to_list() == ["a"]
    assert [(finding.reason, finding.field) for finding in table.rejects.findings] == [(reason, field)]
    assert pl.read_csv(report)["file_row"].to_list() == [2]
    with pytest.raises(TooManyRejects):
        read_outcomes(path, mapping())


def test_a_flag_that_no_list_holds_is_rejected_and_not_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, "id,verdict,known,done\na,F,2024-05-01,maybe\nb,F,2024-05-01,False\n")
    flagged = mapping(label=LABEL | {"labelled": "done"})
    table = read_outcomes(path, flagged, max_reject_share=1)
    assert len(table) == 0
    assert table.rejects.rows_read == 1
    assert table.rejects.findings[0].field == "labelled"


def test_event_times_give_the_delay_its_start_and_reports_their_earliest_moment(tmp_path: Path) -> None:
    path = write(tmp_path, "id,at,verdict,known\na,2024-05-01,F,\nb,2024-05-09,F,2024-05-02T00:00:00\n")
    table = read_outcomes(path, mapping(label=LABEL | {"delay_days": 7}, event_time="at"), max_reject_share=1)
    assert table.frame["reported_time"].to_list() == [datetime(2024, 5, 8, tzinfo=UTC)]
    assert table.rejects.counts == {Reason.REPORTED_BEFORE_EVENT: 1}


def test_a_delay_alone_needs_event_times_in_the_mapping_and_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "id,verdict\na,F\n")
    delayed: dict[str, Any] = {"column": "verdict", "fraud": ["F"], "delay_days": 7}
    with pytest.raises(SourceError, match="no column 'at'"):
        read_outcomes(path, mapping(label=delayed, event_time="at"))
    lost = Mapping.model_construct(columns={"transaction_id": "id"}, label=Label(**delayed))
    with pytest.raises(MappingError, match=r"the mapping cannot be used to read outcomes:\n.*delay_days"):
        read_outcomes(path, lost)


def test_a_missing_label_column_is_an_error_even_where_transactions_may_lack_it(tmp_path: Path) -> None:
    path = write(tmp_path, "transaction_id,reported_time\na,2024-05-01\n")
    with pytest.raises(SourceError, match="no column 'is_fraud'"):
        read_outcomes(path, Mapping.load("kuntur"))
