from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from kuntur.fields.schema import OUTCOME_COLUMNS
from kuntur.tables import Mapping, Table, read
from tests.unit.trainer.sources.test_journal import (
    FRAUD,
    moment,
    reported,
    scored,
    streamed,
    transaction,
    written_as_before,
)
from trainer.checks import CheckReport, DataCheckError, check_table
from trainer.settings.data import CheckSettings
from trainer.sources.journal import read_journal
from trainer.sources.labels import known_at
from trainer.synthetic import SyntheticConfig, generate

UNTIL = datetime(2024, 3, 1, tzinfo=UTC)
ROW = pl.int_range(pl.len())
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    config = SyntheticConfig(transactions=4_000, accounts=400, merchants=400, days=30, fraud_rate=0.02)
    path = tmp_path_factory.mktemp("checks") / "rows.parquet"
    generate(config).drop("fraud_cause").with_columns(pl.lit(0.5).alias("attribute.risk")).write_parquet(path)
    return read(path, Mapping.load("kuntur"))


def changed(table: Table, **columns: pl.Expr) -> Table:
    schema = table.frame.schema
    made = [value.cast(schema[name]).alias(name) for name, value in columns.items()]
    return replace(table, frame=table.frame.with_columns(made))


def at(row: int, value: object, otherwise: str) -> pl.Expr:
    return pl.when(row == ROW).then(pl.lit(value)).otherwise(otherwise)


def failed(report: CheckReport) -> set[str]:
    return {result.rule for result in report.results if result.failed}


def test_good_data_keep_every_rule_and_all_are_in_the_document(table: Table) -> None:
    report = check_table(table, CheckSettings(), UNTIL)
    assert failed(report) == set()
    document = json.loads(report.as_json())
    assert document["passed"]
    assert document["rows"] == 4_000
    assert {
        "transaction_once",
        "amount_minor|min",
        "attribute.risk|nan",
        "fraud_share|max",
        "empty_days|max",
    } <= {rule["rule"] for rule in document["rules"]}
    assert all(rule["description"] for rule in document["rules"])


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("amount_minor", -1, "amount_minor|min"),
        ("account_id", "", "account_id|min_length"),
        ("merchant_id", None, "merchant_id|nullability"),
        ("currency_code", "pen", "currency_code|regex"),
        ("merchant_country_code", "PER", "merchant_country_code|regex"),
        ("type", 9, "type|max"),
        ("merchant_latitude", 91.0, "merchant_latitude|max"),
        ("attribute.risk", float("inf"), "attribute.risk|inf"),
        ("reported_time", None, "label_with_report"),
    ],
)
def test_a_row_that_breaks_the_contract_stops_the_run_by_its_number(
    table: Table, column: str, value: object, rule: str
) -> None:
    number = table.frame["source_row"][70]
    with pytest.raises(DataCheckError) as caught:
        check_table(changed(table, **{column: at(70, value, column)}), CheckSettings(), UNTIL)
    (result,) = caught.value.report.failures
    assert (result.rule, result.failed, result.checked, result.examples) == (rule, 1, 4_000, (number,))
    assert f"1 of 4,000 rows (0.03%), such as rows of the source {number}" in str(caught.value)


def test_every_broken_rule_is_told_at_once_and_no_value(table: Table) -> None:
    account = pl.when(ROW < 7).then(pl.lit("")).otherwise("account_id")
    twice = {name: at(9, table.frame[name][8], name) for name in ("transaction_id", "institution_id")}
    late = at(3_999, UNTIL, "event_time")
    with pytest.raises(DataCheckError) as caught:
        check_table(changed(table, account_id=account, event_time=late, **twice), CheckSettings(), UNTIL)
    counts = {result.rule: result.failed for result in caught.value.report.failures}
    assert counts == {
        "account_id|min_length": 7,
        "transaction_once": 2,
        "event_time_before_until": 1,
    }
    assert str(caught.value).startswith("3 of ")
    assert str(table.frame["transaction_id"][8]) not in json.dumps(caught.value.report.document())


def test_rows_that_are_not_by_event_time_are_found(table: Table) -> None:
    with pytest.raises(DataCheckError, match="by_event_time"):
        check_table(replace(table, frame=table.frame.reverse()), CheckSettings())


@pytest.mark.parametrize(
    "change",
    [lambda frame: frame.drop("device_id"), lambda frame: frame.cast({"device_id": pl.Categorical})],
    ids=["lacking", "of another type"],
)
def test_a_column_that_is_lacking_or_of_another_type_is_named(table: Table, change: Change) -> None:
    with pytest.raises(DataCheckError, match=r"columns: .*such as columns device_id"):
        check_table(replace(table, frame=change(table.frame)), CheckSettings())


def test_a_journal_may_tell_of_a_label_before_its_transaction(table: Table) -> None:
    early = changed(table, reported_time=at(5, datetime(2023, 12, 1, tzinfo=UTC), "reported_time"))
    with pytest.raises(DataCheckError, match="reported_after_event"):
        check_table(early, CheckSettings())
    outcomes = early.frame.select(OUTCOME_COLUMNS).sort("reported_time")
    report = check_table(replace(early, outcomes=outcomes), CheckSettings())
    assert [result.rule for result in report.warnings] == ["reported_after_event"]


def test_what_a_journal_gives_keeps_the_contract(tmp_path: Path) -> None:
    made = [transaction(number, attributes={"risk": 0.5} if number % 2 else {}) for number in range(9)]
    journal = written_as_before(
        tmp_path, scored(made[5]), streamed(made), reported(("t1", FRAUD, 50), ("t2", FRAUD, 1))
    )
    read_in = known_at(read_journal(journal), moment(100))
    report = check_table(read_in, CheckSettings(), moment(100))
    assert report.failures == ()
    assert "reported_after_event" in failed(report)  # t2: told of one second before it was made


def _without_days(first: int, last: int) -> Change:
    day = pl.col("event_time").dt.day()
    return lambda frame: frame.filter(~day.is_between(first, last))


EXPECTED: list[tuple[Change, str, object]] = [
    (_without_days(11, 13), "empty_days|max", "2024-01-10"),
    (
        lambda frame: frame.filter((pl.col("event_time").dt.day() != 9) | (ROW % 10 == 0)),
        "share_of_median|min",
        "2024-01-09",
    ),
    (
        lambda frame: frame.with_columns(device_id=pl.when(ROW == 1).then(pl.lit("d")).otherwise(pl.lit(""))),
        "missing_share|max",
        "device_id",
    ),
    (
        lambda frame: frame.with_columns(
            account_id=pl.when(ROW % 5 == 0).then(pl.lit("0")).otherwise("account_id")
        ),
        "largest_account_share|max",
        0.2,
    ),
    (lambda frame: frame.with_columns(is_fraud=ROW % 4 == 0), "fraud_share|max", 0.25),
]


@pytest.mark.parametrize(("change", "rule", "example"), EXPECTED, ids=[rule for _, rule, _ in EXPECTED])
def test_what_is_not_as_expected_of_the_whole_is_a_warning_and_by_strict_stops_the_run(
    table: Table, change: Change, rule: str, example: object
) -> None:
    odd = replace(table, frame=change(table.frame))
    report = check_table(odd, CheckSettings(), UNTIL)
    (warning,) = report.warnings
    assert warning.rule == rule
    assert example in warning.examples
    assert str(example) in warning.told()
    assert report.document()["passed"]
    with pytest.raises(DataCheckError, match=rule.replace("|", r"\|")):
        check_table(odd, CheckSettings(strict=True), UNTIL)


def test_transactions_that_came_twice_under_new_ids_are_a_warning(table: Table) -> None:
    again = table.frame.head(400).with_columns(
        pl.format("again-{}", "transaction_id").alias("transaction_id")
    )
    twice = replace(table, frame=pl.concat([table.frame, again]).sort("event_time", maintain_order=True))
    (warning,) = check_table(twice, CheckSettings()).warnings
    assert warning.rule == "repeated_share|max"
    assert warning.examples == (pytest.approx(400 / 4_400),)


def test_data_without_a_known_fraud_are_told(table: Table) -> None:
    report = check_table(changed(table, is_fraud=pl.lit(value=False)), CheckSettings())
    assert [result.rule for result in report.warnings] == ["known_frauds|min", "fraud_share|min"]
    assert report.warnings[0].told() == "known_frauds|min: some transaction is known to be fraud; it is 0"


def test_limits_are_those_of_the_settings(table: Table) -> None:
    limits = CheckSettings(max_gap_days=3, max_fraud_share=0.01)
    report = check_table(replace(table, frame=_without_days(11, 13)(table.frame)), limits)
    assert [result.rule for result in report.warnings] == ["fraud_share|max"]
    assert report.document()["limits"]["max_gap_days"] == 3


def test_a_table_without_rows_has_no_fault_but_that_nothing_is_known(table: Table) -> None:
    report = check_table(replace(table, frame=table.frame.clear()), CheckSettings())
    assert failed(report) == {"known_frauds|min"}
