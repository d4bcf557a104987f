from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from kuntur.api.v1 import outcome_pb2, scoring_service_pb2, transaction_pb2
from kuntur.currency import (
    ASSIGNABLE_COUNTRY_NUMBER,
    COUNTRY_NUMBER,
    CURRENCY_NUMBER,
    MINOR_UNIT_SCALE,
    to_cents,
)
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.transaction import (
    UNSET_INT,
    AccountType,
    Channel,
    IntColumn,
    KeyColumn,
    Transaction,
    TransactionType,
)
from kuntur.validation.messages import transaction_violations
from kuntur.values import from_proto, time_from_proto, time_to_proto, to_proto
from kuntur.wire import MalformedError, OversizedError, TransactionIds, TransactionReader

LATEST_US = 1_800_000_000_000_000
READER = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY))
VALUE = Transaction(
    transaction_id="t-1",
    event_time=datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC),
    account_id="a-1",
    amount_minor=12_50,
    currency_code="PEN",
    institution_id="bank",
    type=TransactionType.PURCHASE,
    channel=Channel.ECOMMERCE,
    account_type=AccountType.CREDIT_CARD,
    account_balance_minor=-5,
    account_age_days=0,
    merchant_id="m-1",
    merchant_latitude=-12.05,
    merchant_longitude=-77.04,
    attributes={"limit_ratio": 0.5},
)


def _read(value: Transaction, raw_prefix: bytes = b"\x0a"):
    raw = to_proto(value).SerializeToString()
    return READER.read_request(raw_prefix + bytes([len(raw) & 0x7F | 0x80, len(raw) >> 7]) + raw, LATEST_US)


def test_a_value_comes_back_from_its_message() -> None:
    assert from_proto(to_proto(VALUE)) == VALUE
    bare = Transaction("t", VALUE.event_time, "a", 1, "PEN")
    assert from_proto(to_proto(bare)) == bare


def test_a_value_is_read_into_its_columns() -> None:
    reading = _read(VALUE)
    ints = dict(zip(IntColumn, reading.batch.ints[0].tolist(), strict=True))
    assert ints.pop(IntColumn.CONTENT) == _read(VALUE).batch.ints[0, IntColumn.CONTENT] != 0
    assert ints == {
        IntColumn.EVENT_TIME_US: int(VALUE.event_time.timestamp() * 1_000_000),
        IntColumn.AMOUNT_CENTS: 12_50,
        IntColumn.BALANCE_CENTS: -5,
        IntColumn.TYPE: 1,
        IntColumn.CHANNEL: 2,
        IntColumn.ACCOUNT_TYPE: 3,
        IntColumn.ACCOUNT_AGE_DAYS: 0,
        IntColumn.COUNTRY: 0,
        IntColumn.CURRENCY: CURRENCY_NUMBER["PEN"],
        IntColumn.COUNTED: 1,
    }
    assert reading.batch.floats[0].tolist() == [-12.05, -77.04]
    assert reading.batch.attributes["limit_ratio"].tolist() == [0.5]
    empty = [KeyColumn.DEVICE, KeyColumn.CATEGORY, KeyColumn.COUNTERPARTY]
    assert (reading.batch.keys[0] == 0).tolist() == [column in empty for column in KeyColumn]
    assert list(reading.ids) == ["t-1"]


def test_what_is_not_given_is_unset_and_not_zero() -> None:
    reading = _read(Transaction("t", VALUE.event_time, "a", 1, "PEN"))
    assert reading.batch.ints[0, IntColumn.BALANCE_CENTS] == UNSET_INT
    assert reading.batch.ints[0, IntColumn.ACCOUNT_AGE_DAYS] == UNSET_INT
    assert np.isnan(reading.batch.floats).all()
    assert reading.batch.attributes == {}


def test_every_currency_and_country_is_read_as_its_number() -> None:
    for code, number in CURRENCY_NUMBER.items():
        reading = _read(Transaction("t", VALUE.event_time, "a", 12_345, code, account_balance_minor=-12_345))
        cents = [to_cents(12_345, code), to_cents(-12_345, code)]
        assert reading.batch.ints[0, [1, 2, 8]].tolist() == [*cents, number], code
    for code, number in COUNTRY_NUMBER.items():
        reading = _read(Transaction("t", VALUE.event_time, "a", 1, "PEN", merchant_country_code=code))
        assert reading.batch.ints[0, IntColumn.COUNTRY] == number, code


def test_minor_units_become_hundredths() -> None:
    assert (to_cents(7, "PEN"), to_cents(7, "CLP"), to_cents(79, "KWD"), to_cents(-79, "KWD")) == (
        7,
        700,
        7,
        -7,
    )
    assert set(MINOR_UNIT_SCALE) <= set(CURRENCY_NUMBER)


def test_bytes_that_are_no_request_are_malformed() -> None:
    for raw in (b"\x0a\x05abc", b"\xff", b"\x0a\x02\x0a\x05", b"\x0a\x03\x0a\x01\xff"):
        with pytest.raises(MalformedError):
            READER.read_request(raw, LATEST_US)


def test_an_empty_request_is_an_empty_frame() -> None:
    reading = READER.read_request(b"", LATEST_US)
    assert (len(reading.ids), len(reading.batch), reading.violations) == (0, 0, {})


def test_all_violations_of_a_transaction_are_found_with_their_paths() -> None:
    message = transaction_pb2.Transaction(
        account_id="a" * 129,
        amount_minor=-1,
        currency_code="pen",
        type=99,  # type: ignore[arg-type]
        account_balance_minor=10**15 + 1,
        account_age_days=-1,
        merchant_category_code="541",
        merchant_country_code="XX",
        merchant_latitude=float("nan"),
        ip_address="300.1.1.1",
        attributes={"Bad Name": 1.0, "fine": float("inf")},
    )
    assert [v.field for v in transaction_violations(message, LATEST_US, "transactions[3].")] == [
        "transactions[3]." + field
        for field in (
            *("transaction_id", "event_time", "account_id", "amount_minor", "currency_code", "type"),
            *("account_balance_minor", "account_age_days", "merchant_category_code", "merchant_country_code"),
            *("merchant_latitude", "merchant_longitude", "ip_address"),
            *('attributes["Bad Name"]', 'attributes["fine"]'),
        )
    ]


def test_a_verification_may_be_of_amount_zero_and_a_purchase_may_not() -> None:
    for kind, fields in ((TransactionType.VERIFICATION, []), (TransactionType.PURCHASE, ["amount_minor"])):
        message = to_proto(Transaction("t", VALUE.event_time, "a", 0, "PEN", type=kind))
        assert [v.field for v in transaction_violations(message, LATEST_US)] == fields


def test_an_event_time_at_the_limit_is_the_last_that_is_taken() -> None:
    limit = int(VALUE.event_time.timestamp() * 1_000_000)
    raw = to_proto(VALUE).SerializeToString()
    request = b"\x0a" + bytes([len(raw) & 0x7F | 0x80, len(raw) >> 7]) + raw
    assert READER.read_request(request, limit).violations == {}
    assert [v.field for v in READER.read_request(request, limit - 1).violations[0]] == ["event_time"]


def test_outcomes_are_read_under_the_key_of_their_transaction() -> None:
    def outcome(**fields: object) -> outcome_pb2.Outcome:
        message = outcome_pb2.Outcome(
            **{"transaction_id": "t-1", "institution_id": "bank", "label": 1, **fields}
        )
        message.reported_time.CopyFrom(time_to_proto(VALUE.event_time))
        return message

    messages = [
        outcome(),
        outcome(label=0),
        outcome(label=2),
        outcome(transaction_id=""),
        outcome(institution_id=""),
    ]
    batch, places, violations = READER.read_outcomes(messages, LATEST_US)
    key = _read(VALUE).batch.keys[0, KeyColumn.TRANSACTION]
    assert places.tolist() == [0, 2, 4]
    assert batch.is_fraud.tolist() == [True, False, True]
    assert (batch.keys[:, KeyColumn.TRANSACTION] == key).tolist() == [True, True, False]
    assert batch.reported_time_us.tolist() == [int(VALUE.event_time.timestamp() * 1_000_000)] * 3
    assert {place: [v.field for v in found] for place, found in violations.items()} == {
        1: ["label"],
        3: ["transaction_id"],
    }
    empty, places, violations = READER.read_outcomes([], LATEST_US)
    assert (len(empty), len(places), violations) == (0, 0, {})


def test_times_are_aware_and_to_the_microsecond() -> None:
    time = datetime(1960, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)
    assert time_from_proto(time_to_proto(time)) == time
    with pytest.raises(ValueError, match="time zone"):
        time_to_proto(datetime(2026, 1, 1))


def test_ids_left_in_their_bytes_behave_as_a_list_of_texts() -> None:
    ids = TransactionIds.of(["a", "", "ñandú"])
    assert ids == ["a", "", "ñandú"]
    assert ids != ["a"]
    assert (len(ids), ids[-1], list(ids[1:]), "ñandú" in ids) == (3, "ñandú", ["", "ñandú"], True)
    assert TransactionIds.of(ids) is ids
    with pytest.raises(IndexError):
        ids[3]
    assert repr(ids) == "TransactionIds(['a', '', 'ñandú'])"
    assert len(TransactionIds.of([])) == 0


@pytest.mark.parametrize("unusual", [b"", b"\x12\x00"])  # the latter goes through protobuf
def test_more_transactions_than_asked_for_are_not_read(unusual: bytes) -> None:
    raw = b"\x0a\x00" * 5 + unusual
    assert len(READER.read_request(raw, LATEST_US, 5).ids) == 5
    with pytest.raises(OversizedError) as caught:
        READER.read_request(raw, LATEST_US, 4)
    assert caught.value.count == 5


def test_a_user_assigned_country_is_read_alike_by_both_ways_where_it_is_named() -> None:
    reader = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY), ["XA"])
    message = to_proto(Transaction("t", VALUE.event_time, "a", 1, "PEN", merchant_country_code="XA"))
    raw = scoring_service_pb2.ScoreTransactionRequest(transaction=message).SerializeToString()
    fast, slow = reader.read_request(raw, LATEST_US, 1), reader.read_transactions([message], LATEST_US)
    number = ASSIGNABLE_COUNTRY_NUMBER["XA"]
    assert fast.batch.ints[0, IntColumn.COUNTRY] == slow.batch.ints[0, IntColumn.COUNTRY] == number
    assert [v.field for v in READER.read_request(raw, LATEST_US, 1).violations[0]] == [
        "merchant_country_code"
    ]
