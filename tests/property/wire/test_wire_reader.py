"""The compiled reader of requests against protobuf."""

from __future__ import annotations

import random

import pytest
from hypothesis import given

from kuntur.api.v1 import scoring_service_pb2, transaction_pb2
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.transaction import IntColumn
from kuntur.validation.messages import transaction_violations
from kuntur.wire import MalformedError, Reading, TransactionReader
from tests.property.messages import LATEST_TIME_US, requests, transactions, varint
from tests.support.examples import examples

READER = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY))


def _request(*messages: transaction_pb2.Transaction) -> bytes:
    return scoring_service_pb2.ScoreStreamRequest(transactions=messages).SerializeToString()


def _good(**fields: object) -> transaction_pb2.Transaction:
    message = transaction_pb2.Transaction(
        transaction_id="t", account_id="a", amount_minor=100, currency_code="PEN"
    )
    message.event_time.seconds = 1_700_000_000
    message.MergeFrom(transaction_pb2.Transaction(**fields))
    return message


def _assert_equal(one: Reading, other: Reading) -> None:
    assert one.ids == other.ids
    assert one.places.tolist() == other.places.tolist()
    assert one.violations == other.violations
    assert one.reasons_mode == other.reasons_mode
    for name in ("keys", "ints", "floats"):
        left, right = getattr(one.batch, name), getattr(other.batch, name)
        assert left.shape == right.shape
        assert left.dtype == right.dtype
        if name == "ints":  # the hash is of the bytes, which protobuf writes in an order of its own
            assert (left[:, IntColumn.CONTENT] != 0).all()
            left, right = left[:, : IntColumn.CONTENT], right[:, : IntColumn.CONTENT]
        assert left.tobytes() == right.tobytes(), name
    assert one.batch.attributes.keys() == other.batch.attributes.keys()
    for name, values in one.batch.attributes.items():
        assert values.tobytes() == other.batch.attributes[name].tobytes()


def _assert_as_protobuf(raw: bytes) -> bool:
    """Compares the two ways; tells whether the compiled one took the request."""
    scanned = READER._scan(raw, LATEST_TIME_US, len(raw))
    try:
        expected = READER._read_messages(raw, LATEST_TIME_US, len(raw))
    except MalformedError:
        assert scanned is None
        with pytest.raises(MalformedError):
            READER.read_request(raw, LATEST_TIME_US)
        return False
    _assert_equal(READER.read_request(raw, LATEST_TIME_US), expected)
    if scanned is not None:
        _assert_equal(scanned, expected)
        assert not expected.violations
    return scanned is not None


@examples(600)
@given(requests())
def test_reads_every_request_as_protobuf_does(raw: bytes) -> None:
    _assert_as_protobuf(raw)


@examples(400)
@given(transactions())
def test_a_transaction_is_refused_if_and_only_if_it_breaks_a_rule(
    message: transaction_pb2.Transaction,
) -> None:
    found = transaction_violations(message, LATEST_TIME_US)
    reading = READER.read_request(_request(message), LATEST_TIME_US)
    assert reading.violations == ({0: found} if found else {})
    assert len(reading.batch) == (0 if found else 1)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"amount_minor": 10**13, "currency_code": "CLP"},
        {"account_balance_minor": -999, "currency_code": "KWD"},
        {"account_balance_minor": 0, "account_age_days": 0},
        {"merchant_latitude": -0.0, "merchant_longitude": 0.0},
        {"merchant_latitude": -90.0, "merchant_longitude": 180.0},
        {"ip_address": "190.117.0.1"},
        {"ip_address": "2001:db8::8a2e:370:7334"},
        {"ip_address": "::"},
        {"attributes": {"limit_ratio": 0.5, "b": -0.0}},
        {"institution_id": "bank", "merchant_category_code": "5411", "merchant_country_code": "PE"},
        {"transaction_id": "x" * 128},
    ],
)
def test_plain_transactions_take_the_compiled_way(fields: dict[str, object]) -> None:
    assert _assert_as_protobuf(_request(_good(**fields), _good()))


def test_fields_it_does_not_know_are_passed_over() -> None:
    unknown = varint(30 << 3) + varint(7) + varint(31 << 3 | 2) + b"\x03abc" + varint(32 << 3 | 5) + b"1234"
    message = _good().SerializeToString() + unknown
    assert _assert_as_protobuf(b"\x0a" + varint(len(message)) + message + unknown)


@pytest.mark.parametrize("mode", [0, 1, 2, 99, -1, -(2**31)])
def test_the_mode_of_reasons_is_read_the_compiled_way(mode: int) -> None:
    request = scoring_service_pb2.ScoreStreamRequest(transactions=[_good()])
    request.reasons_mode = mode
    assert _assert_as_protobuf(request.SerializeToString())
    assert READER.read_request(request.SerializeToString(), LATEST_TIME_US).reasons_mode == mode
    assert _assert_as_protobuf(request.SerializeToString() + b"\x10\x01")  # the last one counts
    assert not _assert_as_protobuf(request.SerializeToString() + b"\x12\x01\x01")  # of another wire type
    alone = scoring_service_pb2.ScoreTransactionRequest(transaction=_good(), reasons_mode="REASONS_MODE_ALL")
    assert READER.read_request(alone.SerializeToString(), LATEST_TIME_US).reasons_mode == 1


def test_a_time_in_two_parts_is_merged() -> None:
    message = _good().SerializeToString() + b"\x1a\x03\x10\xe8\x07"  # nanos 1000 in a second event_time
    raw = b"\x0a" + varint(len(message)) + message
    assert _assert_as_protobuf(raw)
    assert READER.read_request(raw, LATEST_TIME_US).batch.ints[0, 0] == 1_700_000_000_000_001


@pytest.mark.parametrize("seconds", [2**63 - 1, -(2**63), 2**53])
def test_a_time_beyond_every_clock_is_a_violation(seconds: int) -> None:
    message = _good()
    message.event_time.seconds = seconds
    reading = READER.read_request(_request(message), LATEST_TIME_US)
    assert [v.field for v in reading.violations[0]] == ["event_time"]


def test_one_bad_transaction_leaves_the_others_of_its_frame() -> None:
    reading = READER.read_request(_request(_good(), _good(currency_code="ZZZ"), _good()), LATEST_TIME_US)
    assert reading.places.tolist() == [0, 2]
    assert list(reading.violations) == [1]
    assert list(reading.ids) == ["t", "t", "t"]


def test_many_attribute_names_and_entries() -> None:
    wide = [_good(attributes={f"n{i}_{j}": float(j) for j in range(20)}) for i in range(6)]
    _assert_as_protobuf(_request(*wide))
    assert _assert_as_protobuf(_request(_good(attributes={f"n{j}": 1.0 for j in range(64)})))
    assert not _assert_as_protobuf(_request(_good(attributes={f"n{j}": 1.0 for j in range(65)})))


def test_every_truncation_of_a_request() -> None:
    raw = _request(_good(ip_address="1.2.3.4", attributes={"a": 1.0}, device_id="d" * 30), _good())
    for length in range(len(raw)):
        _assert_as_protobuf(raw[:length])


def test_twenty_thousand_damaged_requests() -> None:
    chance = random.Random(7)
    whole = _request(
        _good(ip_address="1.2.3.4", attributes={"a": 1.0}, device_id="d" * 30, account_balance_minor=-5),
        _good(merchant_latitude=-12.0, merchant_longitude=-77.0, merchant_country_code="PE"),
    )
    taken = 0
    for _ in range(20_000):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        taken += _assert_as_protobuf(bytes(damaged))
    assert taken > 4_000  # else the comparison says little
