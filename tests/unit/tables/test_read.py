from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kuntur.tables import Mapping, MappingError, Reason, SourceError, TooManyRejects, canonical_schema, read

KUNTUR = Mapping.load("kuntur")
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "transaction_id": "t0",
    "institution_id": "bank",
    "event_time": NOON,
    "account_id": "a",
    "amount_minor": 100,
    "currency_code": "PEN",
    "type": 1,
    "channel": 1,
    "account_type": 1,
    "account_balance_minor": 5000,
    "account_age_days": 10,
    "counterparty_account_id": "",
    "merchant_id": "m",
    "merchant_category_code": "0742",
    "merchant_country_code": "PE",
    "merchant_latitude": -12.0,
    "merchant_longitude": -77.0,
    "device_id": "",
    "ip_address": "190.1.2.3",
    "attribute.risk": 0.5,
    "is_fraud": False,
    "reported_time": NOON + timedelta(days=30),
}


def rows(*changes: dict[str, Any]) -> pl.DataFrame:
    made = [GOOD | {"transaction_id": f"t{number}"} | change for number, change in enumerate(changes)]
    schema = canonical_schema(("risk",))
    return pl.DataFrame(made, schema={name: schema[name] for name in GOOD})


def parquet(tmp_path: Path, *changes: dict[str, Any]) -> Path:
    path = tmp_path / "rows.parquet"
    rows(*changes).write_parquet(path)
    return path


def csv(tmp_path: Path, *changes: dict[str, Any]) -> Path:
    path = tmp_path / "rows.csv"
    made = [GOOD | {"transaction_id": f"t{number}"} | change for number, change in enumerate(changes)]
    pl.DataFrame(
        [{name: None if v is None else str(v) for name, v in row.items()} for row in made]
    ).write_csv(path)
    return path


BROKEN: list[tuple[dict[str, Any], Reason, str]] = [
    ({"transaction_id": ""}, Reason.MISSING, "transaction_id"),
    ({"transaction_id": "ñ" * 65}, Reason.TOO_LONG, "transaction_id"),
    ({"account_id": ""}, Reason.MISSING, "account_id"),
    ({"institution_id": "x" * 129}, Reason.TOO_LONG, "institution_id"),
    ({"device_id": "x" * 129}, Reason.TOO_LONG, "device_id"),
    ({"event_time": None}, Reason.MISSING, "event_time"),
    ({"event_time": datetime(1989, 12, 31, 23, 59, tzinfo=UTC)}, Reason.OUT_OF_RANGE, "event_time"),
    ({"amount_minor": None}, Reason.MISSING, "amount_minor"),
    ({"amount_minor": 0}, Reason.OUT_OF_RANGE, "amount_minor"),
    ({"amount_minor": -1, "type": 7}, Reason.OUT_OF_RANGE, "amount_minor"),
    ({"amount_minor": 10**13 + 1}, Reason.OUT_OF_RANGE, "amount_minor"),
    ({"currency_code": ""}, Reason.MISSING, "currency_code"),
    ({"currency_code": "pen"}, Reason.UNKNOWN_VALUE, "currency_code"),
    ({"type": 8}, Reason.UNKNOWN_VALUE, "type"),
    ({"account_balance_minor": -(10**15) - 1}, Reason.OUT_OF_RANGE, "account_balance_minor"),
    ({"account_age_days": -1}, Reason.OUT_OF_RANGE, "account_age_days"),
    ({"account_age_days": 100_001}, Reason.OUT_OF_RANGE, "account_age_days"),
    ({"merchant_category_code": "742"}, Reason.BAD_FORMAT, "merchant_category_code"),
    ({"merchant_country_code": "XX"}, Reason.UNKNOWN_VALUE, "merchant_country_code"),
    ({"merchant_latitude": 90.1}, Reason.OUT_OF_RANGE, "merchant_latitude"),
    ({"merchant_latitude": float("nan")}, Reason.OUT_OF_RANGE, "merchant_latitude"),
    ({"merchant_longitude": -180.1}, Reason.OUT_OF_RANGE, "merchant_longitude"),
    ({"merchant_longitude": None}, Reason.INCOMPLETE_PAIR, "merchant_longitude"),
    ({"ip_address": "190.1.2.256"}, Reason.BAD_FORMAT, "ip_address"),
    ({"ip_address": "190.1.2.3."}, Reason.BAD_FORMAT, "ip_address"),
    ({"ip_address": "fe80::1%eth0"}, Reason.BAD_FORMAT, "ip_address"),
    ({"ip_address": "1" * 46}, Reason.TOO_LONG, "ip_address"),
    ({"attribute.risk": float("inf")}, Reason.NOT_FINITE, "attribute.risk"),
    ({"reported_time": NOON - timedelta(seconds=1)}, Reason.REPORTED_BEFORE_EVENT, "reported_time"),
    ({"reported_time": None}, Reason.MISSING, "reported_time"),
]


@pytest.mark.parametrize(("change", "reason", "field"), BROKEN, ids=lambda value: str(value)[:40])
def test_a_row_that_breaks_a_rule_is_rejected_for_that_reason(
    tmp_path: Path, change: dict[str, Any], reason: Reason, field: str
) -> None:
    table = read(parquet(tmp_path, {}, change, {}), KUNTUR, max_reject_share=1)
    assert table.frame["transaction_id"].to_list() == ["t0", "t2"]
    assert (reason, field) in [(finding.reason, finding.field) for finding in table.rejects.findings]
    assert table.rejects.rows_read == 3
    assert table.rejects.rows_rejected == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_time", "yesterday"),
        ("amount_minor", "1.5"),
        ("account_balance_minor", "lots"),
        ("account_age_days", "99999999999"),
        ("merchant_latitude", "south"),
        ("attribute.risk", "high"),
        ("reported_time", "later"),
    ],
)
def test_a_value_that_cannot_be_read_is_rejected_and_never_taken_for_unset(
    tmp_path: Path, field: str, value: str
) -> None:
    report = tmp_path / "rejects.csv"
    table = read(csv(tmp_path, {}, {field: value}), KUNTUR, max_reject_share=1, reject_path=report)
    assert len(table) == 1
    written = pl.read_csv(report, infer_schema=False).row(0, named=True)
    assert (written["reason"], written["field"], written["value"]) == ("unparseable", field, value)


@pytest.mark.parametrize("ticks", [2**63 - 1, -(2**63) + 1])
@pytest.mark.parametrize("zone", [None, "UTC", "America/Lima"])
@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("field", ["event_time", "reported_time"])
def test_a_time_that_no_calendar_holds_is_rejected_as_the_number_that_it_is(
    tmp_path: Path, field: str, unit: Any, zone: str | None, ticks: int
) -> None:
    path, report = tmp_path / "far.parquet", tmp_path / "rejects.csv"
    frame = rows({}, {}, {})
    times = [*frame[field].cast(pl.Datetime(unit)).to_physical().to_list()[:2], ticks]
    far = pl.Series(field, times, dtype=pl.Int64).cast(pl.Datetime(unit, zone))
    frame.with_columns(far).write_parquet(path)
    table = read([str(path)], KUNTUR, max_reject_share=1, reject_path=report)
    assert len(table) == 2
    written = pl.read_csv(report, infer_schema=False).row(0, named=True)
    assert (written["reason"], written["field"], written["value"]) == ("unparseable", field, str(ticks))


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 0, "type": 7},
        {"amount_minor": 10**13},
        {"transaction_id": "ñ" * 64},
        {"event_time": datetime(1990, 1, 1, tzinfo=UTC)},
        {"account_balance_minor": -(10**15), "account_age_days": 100_000},
        {"merchant_latitude": None, "merchant_longitude": None, "attribute.risk": None},
        {"ip_address": "2001:db8::1", "merchant_country_code": "", "merchant_category_code": ""},
        {"is_fraud": None, "reported_time": None},
        {"reported_time": NOON},
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_row_at_the_edge_of_the_rules_is_kept(tmp_path: Path, change: dict[str, Any]) -> None:
    table = read(parquet(tmp_path, {"transaction_id": "other"}, change), KUNTUR)
    assert len(table) == 2


def test_csv_json_lines_and_parquet_give_the_same_table(tmp_path: Path) -> None:
    changes = ({}, {"account_balance_minor": None, "account_age_days": None}, {"is_fraud": True})
    first = read(parquet(tmp_path, *changes), KUNTUR)
    lines = tmp_path / "rows.jsonl"
    rows(*changes).write_ndjson(lines)
    for path in (csv(tmp_path, *changes), lines):
        other = read(path, KUNTUR)
        assert other.frame.equals(first.frame)
        assert other.data_hash == first.data_hash


def test_a_duplicate_id_rejects_the_later_row_of_the_same_institution(tmp_path: Path) -> None:
    same = {"transaction_id": "same"}
    path = parquet(tmp_path, same, same, same | {"institution_id": "other"})
    table = read(path, KUNTUR, max_reject_share=1)
    assert table.frame["source_row"].to_list() == [0, 2]
    assert table.rejects.counts == {Reason.DUPLICATE: 1}


def test_a_rejected_row_does_not_use_up_its_id(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"transaction_id": "x", "amount_minor": -1}, {"transaction_id": "x"})
    assert read(path, KUNTUR, max_reject_share=1).frame["source_row"].to_list() == [1]


def test_every_reason_of_one_row_is_written(tmp_path: Path) -> None:
    report = tmp_path / "out" / "rejects.csv"
    change = {"amount_minor": -5, "currency_code": "XXXX", "merchant_country_code": "ZZ"}
    table = read(parquet(tmp_path, {}, change), KUNTUR, max_reject_share=1, reject_path=report)
    written = pl.read_csv(report, infer_schema=False)
    assert written["field"].to_list() == ["amount_minor", "currency_code", "merchant_country_code"]
    assert written["value"].to_list() == ["-5", "XXXX", "ZZ"]
    assert written["file_row"].to_list() == ["2"] * 3
    assert written["source_row"].to_list() == ["1"] * 3
    assert table.rejects.path == report
    assert table.rejects.rows_rejected == 1


def test_no_reject_file_is_written_without_rejects(tmp_path: Path) -> None:
    table = read(parquet(tmp_path, {}), KUNTUR, reject_path=tmp_path / "rejects.csv")
    assert table.rejects.path is None
    assert not (tmp_path / "rejects.csv").exists()


def test_the_reject_file_of_an_earlier_run_goes_when_nothing_is_rejected(tmp_path: Path) -> None:
    report = tmp_path / "rejects.csv"
    read(parquet(tmp_path, {}, {"amount_minor": -1}), KUNTUR, max_reject_share=1, reject_path=report)
    assert report.exists()
    read(parquet(tmp_path, {}), KUNTUR, reject_path=report)
    assert not report.exists()


def test_too_many_rejects_name_columns_counts_and_what_to_do(tmp_path: Path) -> None:
    path = parquet(tmp_path, {}, {"currency_code": "SOL"}, {"currency_code": "SOL", "amount_minor": -1})
    with pytest.raises(TooManyRejects) as caught:
        read(path, KUNTUR, max_reject_share=0.5, reject_path=tmp_path / "rejects.csv")
    message = str(caught.value)
    for part in ("2 of 3", "'currency_code'", "2 unknown_value, such as 'SOL'", "rejects.csv", "mapping"):
        assert part in message
    assert caught.value.report.columns == ("currency_code", "amount_minor")


def test_rows_are_sorted_by_event_time_and_equal_times_keep_the_order_of_the_source(tmp_path: Path) -> None:
    early = {"event_time": NOON - timedelta(hours=1)}
    table = read(parquet(tmp_path, {}, {}, early, {}, early), KUNTUR)
    assert table.frame["source_row"].to_list() == [2, 4, 0, 1, 3]


def test_globs_are_read_in_order_and_rows_are_numbered_across_files(tmp_path: Path) -> None:
    for name, ids in (("b", ["3", "4"]), ("a", ["1", "2"])):
        rows(*({"transaction_id": number} for number in ids)).write_parquet(tmp_path / f"{name}.parquet")
    rows({"transaction_id": "5"}).write_ndjson(tmp_path / "c.ndjson")
    table = read([tmp_path / "*.parquet", str(tmp_path / "c.ndjson"), tmp_path / "a.parquet"], KUNTUR)
    assert table.frame["transaction_id"].to_list() == ["1", "2", "3", "4", "5"]
    assert table.frame["source_row"].to_list() == [0, 1, 2, 3, 4]


def test_since_is_inside_and_until_is_outside_and_row_numbers_stay_those_of_the_source(
    tmp_path: Path,
) -> None:
    hours = [{"event_time": NOON + timedelta(hours=number)} for number in range(5)]
    path = parquet(tmp_path, *hours)
    table = read(path, KUNTUR, since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=3))
    assert table.frame["source_row"].to_list() == [1, 2]
    assert table.rejects.rows_read == 2
    with pytest.raises(ValueError, match="time zone"):
        read(path, KUNTUR, since=datetime(2024, 5, 1))


def test_the_data_hash_depends_on_content_only(tmp_path: Path) -> None:
    whole = read(parquet(tmp_path, {}, {}), KUNTUR).data_hash
    rows({}).write_parquet(tmp_path / "p1.parquet")
    rows({}, {}).tail(1).write_parquet(tmp_path / "p2.parquet")
    assert read(tmp_path / "p*.parquet", KUNTUR).data_hash == whole
    for change in (
        {"amount_minor": 101},
        {"merchant_id": ""},
        {"account_age_days": None},
        {"is_fraud": True},
    ):
        assert read(parquet(tmp_path, {}, change), KUNTUR).data_hash != whole


def test_source_errors_are_told_all_at_once_with_the_closest_names(tmp_path: Path) -> None:
    good = parquet(tmp_path, {})
    bad = tmp_path / "bad.parquet"
    rows({}).rename({"account_id": "acount_id", "amount_minor": "total"}).write_parquet(bad)
    (tmp_path / "x.xlsx").touch()
    with pytest.raises(SourceError) as caught:
        read([good, bad, tmp_path / "x.xlsx", tmp_path / "none*.csv", tmp_path], KUNTUR)
    message = str(caught.value)
    for part in ("'account_id'; closest: acount_id", "no column 'amount_minor'", "its columns are", "'.xlsx'",
                 "none*.csv: no such file", "is a folder"):  # fmt: skip
        assert part in message


def test_a_file_that_is_not_what_its_name_says_is_a_source_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"not parquet at all")
    with pytest.raises(SourceError, match=r"broken\.parquet"):
        read(path, KUNTUR)


def test_a_file_of_a_header_alone_gives_an_empty_table(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("transaction_id,event_time,account_id,amount_minor,currency_code\n")
    table = read(path, KUNTUR)
    assert len(table) == 0
    assert table.rejects.share == 0
    assert len(table.data_hash) == 64


def test_files_of_different_kinds_and_column_types_are_read_together(tmp_path: Path) -> None:
    first = csv(tmp_path, {"transaction_id": "1"})
    second = tmp_path / "more.parquet"
    rows({"transaction_id": "2"}).with_columns(pl.col("type").cast(pl.String)).write_parquet(second)
    third = tmp_path / "plain.parquet"
    rows({"transaction_id": "3"}).drop("attribute.risk", "is_fraud").write_parquet(third)
    frame = read([first, second, third], KUNTUR).frame
    assert frame["transaction_id"].to_list() == ["1", "2", "3"]
    assert frame["type"].to_list() == [1, 1, 1]
    assert frame["attribute.risk"].to_list() == [0.5, 0.5, None]
    assert frame["is_fraud"].to_list() == [False, False, None]


def test_optional_columns_may_be_absent_and_are_then_not_given(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text(
        "transaction_id,event_time,account_id,amount_minor,currency_code\n007,2024-05-01T00:00:00Z,01,5,PEN\n"
    )
    row = read(path, KUNTUR).frame.row(0, named=True)
    assert (row["transaction_id"], row["account_id"], row["merchant_id"], row["type"]) == ("007", "01", "", 0)
    assert row["account_balance_minor"] is None
    assert row["is_fraud"] is None
    assert row["reported_time"] is None


def bank(**parts: Any) -> Mapping:
    columns = {"transaction_id": "id", "event_time": "at", "account_id": "card", "amount_minor": "sum"}
    return Mapping.model_validate({"columns": columns, "constants": {"currency_code": "PEN"}} | parts)


def bank_file(tmp_path: Path, **columns: list[Any]) -> Path:
    count = len(next(iter(columns.values())))
    numbers = list(range(count))
    base = {"id": numbers, "at": ["2024-05-01T00:00:00"] * count, "card": numbers, "sum": [1.5] * count}
    path = tmp_path / "bank.parquet"
    pl.DataFrame(base | columns).write_parquet(path)
    return path


def test_enum_values_are_translated_and_unknown_ones_rejected(tmp_path: Path) -> None:
    columns = {**bank().columns, "type": "kind"}
    mapping = bank(columns=columns, amount={"unit": "major"}, values={"type": {"POS": "PURCHASE"}})
    path = bank_file(tmp_path, kind=["POS", "TRANSFER", "4", "", None, "LOAN"])
    table = read(path, mapping, max_reject_share=1)
    assert table.frame["type"].to_list() == [1, 2, 4, 0, 0]
    assert table.rejects.findings[0].example == "LOAN"
    assert table.rejects.counts == {Reason.UNKNOWN_VALUE: 1}


def test_codes_are_translated_and_those_not_named_stay_as_they_are(tmp_path: Path) -> None:
    columns = {**bank().columns, "merchant_category_code": "shop", "merchant_country_code": "land"}
    values = {"merchant_category_code": {"food": "5411"}, "merchant_country_code": {"Perú": "PE"}}
    path = bank_file(
        tmp_path, shop=["food", " food", "4829", "", None, "toys"], land=["Perú", "US", "", None, "PE", "PE"]
    )
    table = read(path, bank(columns=columns, amount={"unit": "major"}, values=values), max_reject_share=1)
    assert table.frame["merchant_category_code"].to_list() == ["5411", "5411", "4829", "", ""]
    assert table.frame["merchant_country_code"].to_list() == ["PE", "US", "", "", "PE"]
    assert table.rejects.findings[0].remedy == "translate it in [values.merchant_category_code]"


def test_a_label_is_late_by_the_delay_and_unset_where_a_row_is_not_labelled(tmp_path: Path) -> None:
    label = {"column": "bad", "fraud": ["Y"], "legitimate": ["N"], "delay_days": 7, "labelled": "done"}
    path = bank_file(tmp_path, bad=["Y", "N", "Y", None, "?"], done=["1", "1", "0", "0", "1"])
    table = read(path, bank(label=label, amount={"unit": "major"}), max_reject_share=1)
    assert table.frame["is_fraud"].to_list() == [True, False, None, None]
    week = datetime(2024, 5, 8, tzinfo=UTC)
    assert table.frame["reported_time"].to_list() == [week, week, None, None]
    assert table.rejects.counts == {Reason.UNKNOWN_VALUE: 1}


def test_the_label_flag_is_understood_as_pandas_and_sql_write_it(tmp_path: Path) -> None:
    label = {"column": "bad", "fraud": ["1"], "delay_days": 7, "labelled": "done"}
    said = ["True", "TRUE", "true", "1", "False", "FALSE", "false", "0", "", " ", None]
    path = bank_file(tmp_path, bad=["1"] * len(said), done=said)
    table = read(path, bank(label=label, amount={"unit": "major"}))
    assert table.frame["is_fraud"].to_list() == [True] * 4 + [None] * 7


def test_a_label_flag_that_no_list_holds_is_rejected_with_what_to_do(tmp_path: Path) -> None:
    label = {"column": "bad", "fraud": ["1"], "delay_days": 7, "labelled": "done"}
    path = bank_file(tmp_path, bad=["1", "1"], done=["1", "open"])
    with pytest.raises(TooManyRejects, match=r"'open' in row 2; list it in label\.labelled_values or label"):
        read(path, bank(label=label, amount={"unit": "major"}))
    listed = bank(label=label | {"unlabelled_values": ["open"]}, amount={"unit": "major"})
    assert read(path, listed).frame["is_fraud"].to_list() == [True, None]


def test_a_report_date_counts_from_the_end_of_its_local_day_and_an_event_date_from_its_start(
    tmp_path: Path,
) -> None:
    label = {"column": "bad", "fraud": ["1"], "reported_time": "said"}
    mapping = bank(label=label, amount={"unit": "major"}, time={"zone": "America/Lima"})
    path = bank_file(
        tmp_path, bad=["1", "1"], at=["2024-05-01T13:00:00", "2024-05-01"], said=["2024-05-01"] * 2
    )
    frame = read(path, mapping).frame
    assert frame["event_time"].to_list() == [datetime(2024, 5, 1, hour, tzinfo=UTC) for hour in (5, 18)]
    assert frame["reported_time"].to_list() == [datetime(2024, 5, 2, 5, tzinfo=UTC)] * 2


def test_report_dates_may_be_written_otherwise_than_event_times(tmp_path: Path) -> None:
    label = {"column": "bad", "fraud": ["1"], "reported_time": "said", "reported_format": "%d/%m/%Y"}
    path = bank_file(tmp_path, bad=["1"], said=["01/05/2024"])
    frame = read(path, bank(label=label, amount={"unit": "major"})).frame
    assert frame["reported_time"].to_list() == [datetime(2024, 5, 2, tzinfo=UTC)]


def test_a_report_date_on_frauds_only_is_refused_with_the_remedy_that_reads_it(tmp_path: Path) -> None:
    label = {"column": "bad", "fraud": ["1"], "legitimate": ["0"], "reported_time": "rep"}
    path = bank_file(tmp_path, bad=["0", "1"], rep=[None, "2024-05-03"])
    with pytest.raises(TooManyRejects, match=r"'rep' for reported_time: 1 missing.*label\.delay_days"):
        read(path, bank(label=label, amount={"unit": "major"}))
    table = read(path, bank(label=label | {"delay_days": 30}, amount={"unit": "major"}))
    assert table.frame["reported_time"].to_list() == [
        datetime(2024, 5, 31, tzinfo=UTC),
        datetime(2024, 5, 4, tzinfo=UTC),
    ]


def test_a_mapping_for_outcomes_reads_no_transactions(tmp_path: Path) -> None:
    mapping = Mapping.model_validate(
        {"columns": {"transaction_id": "id"}, "label": {"column": "b", "fraud": ["1"], "reported_time": "r"}},
        context={"reads": "outcomes"},
    )
    with pytest.raises(MappingError, match="account_id is required"):
        read(tmp_path / "any.csv", mapping)


def test_a_row_of_amount_zero_becomes_a_verification_only_where_the_mapping_says_so(tmp_path: Path) -> None:
    path = bank_file(tmp_path, sum=[0.0, 2.5])
    kept = read(path, bank(amount={"unit": "major", "zero_is_verification": True}))
    assert kept.frame.select("amount_minor", "type").rows() == [(0, 7), (250, 0)]
    assert read(path, bank(amount={"unit": "major"}), max_reject_share=1).rejects.rows_rejected == 1


def test_attributes_come_by_name_and_nan_is_unset_where_the_mapping_says_so(tmp_path: Path) -> None:
    path = bank_file(tmp_path, score=[1.0, float("nan")])
    mapping = bank(attributes={"risk": "score"}, amount={"unit": "major"}, nan_is_unset=True)
    table = read(path, mapping)
    assert table.attributes == ("risk",)
    assert table.frame["attribute.risk"].to_list() == [1.0, None]
