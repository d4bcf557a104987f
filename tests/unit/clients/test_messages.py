from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from clients.replay import Step, hourly_steps, joined_steps, outcomes_between, rows_between
from clients.values.messages import messages_from_frame, messages_in_blocks, outcomes_from_frame
from kuntur.api.v1 import outcome_pb2
from kuntur.tables import canonical_schema
from kuntur.transaction import AccountType, Channel, Transaction, TransactionType
from kuntur.values import to_proto

TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def canonical_frame(
    values: list[Transaction],
    *,
    attributes: tuple[str, ...] = (),
    reported: dict[str, tuple[bool, datetime]] | None = None,
) -> pl.DataFrame:
    rows = []
    for number, value in enumerate(values):
        row = {name: each for name, each in asdict(value).items() if name != "attributes"}
        row |= {f"attribute.{name}": value.attributes.get(name) for name in attributes}
        fraud, time = (reported or {}).get(value.transaction_id, (None, None))
        rows.append(row | {"is_fraud": fraud, "reported_time": time, "source_row": number})
    return pl.DataFrame(rows, schema=canonical_schema(attributes))


def transaction(number: int, event_time: datetime) -> Transaction:
    return Transaction(f"t-{number}", event_time, "a-1", 100, "PEN")


FULL = Transaction(
    transaction_id="t-1",
    event_time=datetime(2026, 3, 2, 10, 0, 0, 123_457, tzinfo=UTC),
    account_id="a-1",
    amount_minor=12_345,
    currency_code="PEN",
    institution_id="bank",
    type=TransactionType.TRANSFER,
    channel=Channel.MOBILE,
    account_type=AccountType.SAVINGS,
    account_balance_minor=0,
    account_age_days=0,
    counterparty_account_id="a-2",
    merchant_id="m-1",
    merchant_category_code="5411",
    merchant_country_code="PE",
    merchant_latitude=0.0,
    merchant_longitude=-77.0428,
    device_id="d-1",
    ip_address="10.0.0.1",
    attributes={"risk": 0.0, "age": 3.5},
)
BARE = Transaction("t-2", datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "a-2", 1, "USD")


@pytest.mark.parametrize("rows", [[FULL], [BARE], [FULL, BARE], [BARE, FULL, BARE]])
def test_a_frame_gives_the_messages_that_its_transactions_give(rows: list[Transaction]) -> None:
    frame = canonical_frame(rows, attributes=("age", "risk"))
    assert messages_from_frame(frame) == [to_proto(each) for each in rows]


def test_an_attribute_that_is_not_a_number_is_left_out() -> None:
    frame = canonical_frame([FULL], attributes=("age", "risk")).with_columns(
        pl.lit(float("nan")).alias("attribute.age")
    )
    assert dict(messages_from_frame(frame)[0].attributes) == {"risk": 0.0}


def test_an_empty_frame_gives_no_messages() -> None:
    assert messages_from_frame(canonical_frame([])) == []


def test_blocks_give_every_row_once() -> None:
    frame = pl.concat([canonical_frame([FULL, BARE])] * 9_000)
    assert [each.transaction_id for each in messages_in_blocks(frame)] == ["t-1", "t-2"] * 9_000


def test_outcomes_carry_label_and_report_time() -> None:
    frame = canonical_frame([FULL, BARE], reported={"t-1": (True, TEN), "t-2": (False, TEN)})
    fraud, legitimate = outcomes_from_frame(frame)
    assert (fraud.transaction_id, fraud.institution_id, fraud.label) == (
        "t-1",
        "bank",
        outcome_pb2.OUTCOME_LABEL_FRAUD,
    )
    assert legitimate.label == outcome_pb2.OUTCOME_LABEL_LEGITIMATE
    assert fraud.reported_time.ToDatetime(tzinfo=UTC) == TEN


def test_the_end_of_a_span_is_not_in_it() -> None:
    rows = [transaction(number, TEN + timedelta(hours=number)) for number in range(4)]
    reported = {f"t-{number}": (True, TEN + timedelta(hours=number)) for number in range(4)}
    frame = canonical_frame(rows, reported=reported)
    since, until = TEN + timedelta(hours=1), TEN + timedelta(hours=3)
    assert rows_between(frame, since, until)["transaction_id"].to_list() == ["t-1", "t-2"]
    assert outcomes_between(frame, since, until)["transaction_id"].to_list() == ["t-1", "t-2"]
    assert len(rows_between(frame, None, None)) == 4


def test_steps_are_cut_at_full_hours_and_outcomes_come_before_later_hours_only() -> None:
    minutes = [5, 59, 60, 61, 190]
    rows = [transaction(number, TEN + timedelta(minutes=at)) for number, at in enumerate(minutes)]
    reported = {
        "t-0": (True, TEN + timedelta(minutes=59, seconds=59, microseconds=999_999)),
        "t-1": (True, TEN + timedelta(minutes=60)),  # the full hour itself: known an hour later
        "t-2": (False, TEN + timedelta(minutes=185)),
    }
    frame = canonical_frame(rows, reported=reported)
    steps = list(hourly_steps(frame, outcomes_between(frame, None, None)))
    assert steps == [Step(0, 0, 2), Step(1, 2, 4), Step(1, 4, 5), Step(1, 5, 5)]


def test_steps_that_tell_nothing_join_the_one_before() -> None:
    steps = [Step(0, 0, 2), Step(0, 2, 4), Step(3, 4, 5), Step(0, 5, 9), Step(1, 9, 9)]
    assert list(joined_steps(iter(steps))) == [Step(0, 0, 4), Step(3, 4, 9), Step(1, 9, 9)]
    assert list(joined_steps(iter([]))) == []
