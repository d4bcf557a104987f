"""The compiled look at institutions finds what protobuf does, however a request is written."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from kuntur.api.v1 import scoring_service_pb2
from kuntur.wire import InstitutionSet, MalformedError

_NAMES = st.sampled_from(["", "a", "b", "ab", "banco-andino", "banco-andin", "ñandú", "x" * 200])


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _text(field: int, raw: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


# Fields of a transaction as bytes: plain ones, unknown ones, ones of another wire type, and groups.
_FIELDS = st.one_of(
    _NAMES.map(lambda name: _text(2, name.encode())),
    _NAMES.map(lambda name: _text(1, name.encode())),
    st.integers(0, 2**40).map(lambda value: _varint(5 << 3) + _varint(value)),
    st.binary(max_size=8).map(lambda raw: _text(100, raw)),
    st.binary(max_size=8).map(lambda raw: _text(5000, raw)),
    st.just(_varint(60 << 3 | 3) + _text(2, b"in a group") + _varint(60 << 3 | 4)),
    st.just(_varint(2 << 3) + _varint(7)),
    st.just(_varint(61 << 3 | 1) + bytes(8)),
    st.just(_varint(62 << 3 | 5) + bytes(4)),
    st.binary(max_size=4).map(lambda raw: _text(2, raw)),
)
_TRANSACTIONS = st.lists(_FIELDS, max_size=5).map(lambda fields: _text(1, b"".join(fields)))
_OTHERS = st.one_of(
    st.integers(0, 9).map(lambda mode: _varint(2 << 3) + _varint(mode)), st.just(_text(30, b"unknown"))
)
_REQUESTS = st.lists(st.one_of(_TRANSACTIONS, _TRANSACTIONS, _OTHERS), max_size=6).map(b"".join)


def _by_protobuf(raw: bytes, own: set[str]) -> dict[int, str] | None:
    try:
        request = scoring_service_pb2.ScoreStreamRequest.FromString(raw)
    except DecodeError:
        return None
    return {
        place: each.institution_id
        for place, each in enumerate(request.transactions)
        if each.institution_id not in own
    }


def _found(raw: bytes, own: set[str], count: int) -> dict[int, str] | None:
    try:
        return InstitutionSet(own).foreign(raw, count)
    except MalformedError:
        return None


def _count(raw: bytes) -> int:
    try:
        return len(scoring_service_pb2.ScoreStreamRequest.FromString(raw).transactions)
    except DecodeError:
        return 3


@given(_REQUESTS, st.sets(_NAMES, max_size=4))
def test_institutions_are_found_as_protobuf_finds_them(raw: bytes, own: set[str]) -> None:
    expected = _by_protobuf(raw, own)
    if expected is not None:
        assert _found(raw, own, _count(raw)) == expected


@given(st.binary(max_size=60), st.integers(0, 5))
def test_whatever_the_bytes_are_nothing_is_read_beyond_them(raw: bytes, count: int) -> None:
    found = _found(raw, {"a"}, count)
    assert found is None or all(isinstance(name, str) for name in found.values())


def test_a_set_knows_its_institutions() -> None:
    own = InstitutionSet(["a", "banco-andino"])
    assert "a" in own
    assert "" not in own
    assert "banco" not in own


@pytest.mark.parametrize("own", [set[str](), {""}])
def test_the_empty_id_is_an_institution_like_any_other(own: set[str]) -> None:
    raw = scoring_service_pb2.ScoreStreamRequest(transactions=[{"transaction_id": "t"}]).SerializeToString()
    assert InstitutionSet(own).foreign(raw, 1) == ({} if own else {0: ""})
