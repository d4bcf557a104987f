"""The readers of what callers send, held against protobuf: what it reads is read the same, or refused."""

from __future__ import annotations

import gzip
import zlib

from google.protobuf.message import DecodeError

from kuntur.api.v1 import outcome_service_pb2, scoring_service_pb2
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.transaction import IntColumn
from kuntur.validation.messages import transaction_violations
from kuntur.wire import InstitutionSet, MalformedError, Reading, TransactionReader
from kuntur.wire.reading import OversizedError
from server.rpc.admission.compression import OversizedMessageError, unpacked

INSTRUMENTED = ["kuntur.wire", "kuntur.validation", "server.rpc.admission.compression"]
DICTIONARY = [
    b"\x0a", b"\x12", b"\x1a", b"\x10\x01", b"PEN", b"CLP", b"KWD", b"5411", b"PE", b"1.2.3.4",
    b"2001:db8::1", b"\x82\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80\x00",
    b"limit_ratio", b"\x0b", b"\x0c",
]  # fmt: skip
_LATEST_US = 1_800_000_000_000_000
_MOST = 16  # transactions of a request
_MOST_BYTES = 1 << 16  # of a message, decompressed
_OWN = ("", "bank-a", "banco-andino")
_READER = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY))
_INSTITUTIONS = InstitutionSet(_OWN)


def check(data: bytes) -> None:
    """Reads bytes as each kind of request. Raises AssertionError where protobuf reads another one."""
    raw = _decompressed(data)
    _check_request(raw)
    _check_institutions(raw)
    _check_outcomes(raw)


def _decompressed(data: bytes) -> bytes:
    try:
        plain = unpacked(data, _MOST_BYTES)
    except OversizedMessageError:
        return data
    assert len(plain) <= max(_MOST_BYTES, len(data))
    return plain


def _by_protobuf(raw: bytes) -> scoring_service_pb2.ScoreStreamRequest | None:
    try:
        return scoring_service_pb2.ScoreStreamRequest.FromString(raw)
    except DecodeError:
        return None


def _check_request(raw: bytes) -> None:
    expected = _by_protobuf(raw)
    try:
        reading = _READER.read_request(raw, _LATEST_US, _MOST)
    except MalformedError:
        assert expected is None
        return
    except OversizedError:
        assert expected is None or len(expected.transactions) > _MOST
        return
    assert expected is not None
    assert len(expected.transactions) <= _MOST
    sent = expected.transactions
    found = {place: transaction_violations(each, _LATEST_US) for place, each in enumerate(sent)}
    assert list(reading.ids) == [each.transaction_id for each in sent]
    assert reading.violations == {place: each for place, each in found.items() if each}
    assert reading.places.tolist() == [place for place, each in found.items() if not each]
    assert reading.reasons_mode == expected.reasons_mode
    _check_columns(reading, _READER.read_transactions(sent, _LATEST_US))


def _check_columns(reading: Reading, expected: Reading) -> None:
    for name in ("keys", "ints", "floats"):
        read, wanted = getattr(reading.batch, name), getattr(expected.batch, name)
        if name == "ints":  # the hash is of the bytes, which protobuf writes in an order of its own
            assert (read[:, IntColumn.CONTENT] != 0).all()
            read, wanted = read[:, : IntColumn.CONTENT], wanted[:, : IntColumn.CONTENT]
        assert read.tobytes() == wanted.tobytes(), name
    read, wanted = reading.batch.attributes, expected.batch.attributes
    assert read.keys() == wanted.keys()
    assert all(values.tobytes() == wanted[name].tobytes() for name, values in read.items())


def _check_institutions(raw: bytes) -> None:
    expected = _by_protobuf(raw)
    count = 1 if expected is None else len(expected.transactions)
    try:
        foreign = _INSTITUTIONS.foreign(raw, count)
    except MalformedError:
        assert expected is None
        return
    assert all(isinstance(name, str) and 0 <= place < count for place, name in foreign.items())
    if expected is not None:
        named = {place: each.institution_id for place, each in enumerate(expected.transactions)}
        assert foreign == {place: name for place, name in named.items() if name not in _OWN}


def _check_outcomes(raw: bytes) -> None:
    try:
        request = outcome_service_pb2.ReportOutcomesRequest.FromString(raw)
    except DecodeError:
        request = None
    try:
        batch = _READER.read_report(raw, {1})
    except MalformedError:
        batch = None
    assert request is not None or batch is None
    if request is not None:
        good, places, violations = _READER.read_outcomes(request.outcomes, _LATEST_US)
        assert len(good.keys) == len(places)
        assert sorted([*places.tolist(), *violations]) == list(range(len(request.outcomes)))


def seeds() -> list[bytes]:
    """Returns requests as callers send them."""
    plain = {
        "transaction_id": "t-1",
        "account_id": "a-1",
        "event_time": {"seconds": 1_700_000_000, "nanos": 5_000},
        "amount_minor": 12_345,
        "currency_code": "PEN",
    }
    full = plain | {
        "institution_id": "bank-b", "type": 2, "channel": 3, "account_type": 1, "account_balance_minor": -50,
        "account_age_days": 400, "counterparty_account_id": "a-2", "merchant_id": "m-1",
        "merchant_category_code": "5411", "merchant_country_code": "PE", "device_id": "d" * 40,
        "ip_address": "190.117.0.1", "merchant_latitude": -12.0, "merchant_longitude": -77.0,
        "attributes": {"limit_ratio": 0.5, "b": -0.0},
    }  # fmt: skip
    odd = full | {"ip_address": "2001:db8::8a2e:370:7334", "currency_code": "CLP", "transaction_id": "t-é"}
    bad = plain | {"amount_minor": -1, "currency_code": "ZZZ", "merchant_latitude": 91.0, "account_id": ""}
    requests = [[plain], [full], [odd], [bad], [plain, full, bad], [plain] * 4]
    found = [
        scoring_service_pb2.ScoreStreamRequest(transactions=each, reasons_mode=mode).SerializeToString()
        for mode, each in enumerate(requests)
    ]
    outcome = {"transaction_id": "t-1", "label": 1, "reported_time": {"seconds": 1_700_000_100}}
    outcomes = [outcome, outcome | {"label": 2, "institution_id": "bank-a"}, outcome | {"label": 0}]
    found.append(outcome_service_pb2.ReportOutcomesRequest(outcomes=outcomes).SerializeToString())
    return [*found, gzip.compress(found[1], mtime=0), zlib.compress(found[2])]
