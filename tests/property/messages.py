"""Transactions as messages and as bytes, well-formed and hostile."""

from __future__ import annotations

import random
import struct

from hypothesis import strategies as st

from kuntur.api.v1 import transaction_pb2

LATEST_TIME_US = 1_800_000_000_000_000
_INT64 = st.integers(-(2**63), 2**63 - 1)
_INT32 = st.integers(-(2**31), 2**31 - 1)


def _mostly(good: st.SearchStrategy, hostile: st.SearchStrategy) -> st.SearchStrategy:
    return st.integers(0, 63).flatmap(lambda n: hostile if n == 0 else good)


_PLAIN_IDS = st.text("abcXYZ019-_.", min_size=1, max_size=40)
_HOSTILE_IDS = st.one_of(
    st.just(""), st.text(max_size=20), st.integers(120, 140).map(lambda n: "é" * (n // 2) + "x" * (n % 2))
)
_IDS = _mostly(_PLAIN_IDS, _HOSTILE_IDS)
_ADDRESSES = _mostly(
    st.one_of(st.just(""), st.ip_addresses().map(str), st.sampled_from(["10.0.0.1", "2001:DB8::1"])),
    st.one_of(
        st.text("0123456789.:abcdefg%", max_size=46),
        st.sampled_from(
            ["01.2.3.4", "1.2.3", "256.1.1.1", "::ffff:1.2.3.4", "fe80::1%eth0", "٣.1.1.1", ":::"]
        ),
    ),
)
_DOUBLES = st.floats(allow_nan=True, allow_infinity=True)
_NAMES = _mostly(st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True), st.text(max_size=70))


@st.composite
def transactions(draw: st.DrawFn) -> transaction_pb2.Transaction:
    """A message: mostly one that keeps the rules, with every field at times hostile or absent."""
    message = transaction_pb2.Transaction(
        transaction_id=draw(_IDS),
        account_id=draw(_IDS),
        amount_minor=draw(_mostly(st.integers(1, 10**13), st.one_of(_INT64, st.integers(-1, 1)))),
        currency_code=draw(
            _mostly(
                st.sampled_from(["PEN", "USD", "CLP", "KWD"]), st.one_of(st.text(max_size=4), st.just("ZZZ"))
            )
        ),
    )
    if not draw(_mostly(st.just(False), st.just(True))):
        message.event_time.seconds = draw(
            _mostly(
                st.integers(631_152_000, 1_800_000_000),
                st.one_of(_INT64, st.integers(631_151_999, 631_152_000)),
            )
        )
        message.event_time.nanos = draw(
            _mostly(st.integers(0, 999_999_999), st.one_of(_INT32, st.sampled_from([10**9, -1])))
        )
    for name, good, hostile in (
        ("institution_id", st.sampled_from(["", "bank-a", "bank-b"]), _HOSTILE_IDS),
        ("type", st.integers(0, 7), _INT32),
        ("channel", st.integers(0, 8), _INT32),
        ("account_type", st.integers(0, 6), _INT32),
        ("account_balance_minor", st.integers(-(10**15), 10**15), _INT64),
        ("account_age_days", st.integers(0, 100_000), _INT32),
        ("counterparty_account_id", _PLAIN_IDS, _HOSTILE_IDS),
        ("merchant_id", _PLAIN_IDS, _HOSTILE_IDS),
        ("merchant_category_code", st.from_regex("[0-9]{4}", fullmatch=True), st.text(max_size=5)),
        ("merchant_country_code", st.sampled_from(["PE", "CL", "US"]), st.text(max_size=3)),
        ("device_id", _PLAIN_IDS, _HOSTILE_IDS),
        ("ip_address", _ADDRESSES, _ADDRESSES),
    ):
        if draw(st.booleans()):
            setattr(message, name, draw(_mostly(good, hostile)))
    if draw(st.booleans()):
        message.merchant_latitude = draw(_mostly(st.floats(-90, 90), _DOUBLES))
        if draw(_mostly(st.just(True), st.just(False))):
            message.merchant_longitude = draw(_mostly(st.floats(-180, 180), _DOUBLES))
    if draw(st.integers(0, 3)) == 0:
        for name, value in draw(
            st.dictionaries(
                _NAMES, _mostly(st.floats(allow_nan=False, allow_infinity=False), _DOUBLES), max_size=6
            )
        ).items():
            message.attributes[name] = value
    return message


def varint(value: int) -> bytes:
    """Writes a varint as protobuf does, negative numbers in ten bytes."""
    value &= 2**64 - 1
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def split_fields(raw: bytes) -> list[bytes]:
    """Cuts a serialised message into its fields, tag and all."""
    fields, at = [], 0
    while at < len(raw):
        start = at
        tag, at = _read_varint(raw, at)
        if tag & 7 == 0:
            _, at = _read_varint(raw, at)
        elif tag & 7 == 1:
            at += 8
        else:
            length, at = _read_varint(raw, at)
            at += length
        fields.append(raw[start:at])
    return fields


def _unknown(chance: random.Random) -> bytes:
    number = chance.choice([21, 22, 100, 2047, 2048, 2**29 - 1])
    content = chance.randbytes(chance.randrange(6))
    return chance.choice(
        [
            varint(number << 3) + varint(chance.getrandbits(64)),
            varint(number << 3 | 1) + struct.pack("<d", chance.random()),
            varint(number << 3 | 2) + varint(len(content)) + content,
            varint(number << 3 | 5) + chance.randbytes(4),
            varint(number << 3 | 3) + varint(number << 3 | 4),  # an empty group
            varint(chance.randrange(1, 21) << 3 | chance.choice([0, 1, 2, 5])) + chance.randbytes(8),
        ]
    )


def _rewrite(raw: bytes, others: list[bytes], chance: random.Random) -> bytes:
    fields = split_fields(raw)
    for _ in range(chance.randrange(4)):
        change = chance.randrange(5)
        if change == 0:
            chance.shuffle(fields)
        elif change == 1:
            fields.insert(chance.randrange(len(fields) + 1), _unknown(chance))
        elif change == 2 and fields:  # a field twice, the same or another message's
            fields.insert(chance.randrange(len(fields) + 1), chance.choice(fields))
        elif change == 3:
            fields += split_fields(chance.choice(others))
        elif fields:  # a length or number written longer than it must be
            place = chance.randrange(len(fields))
            field = fields[place]
            if field[-1] < 0x80 and field[0] & 7 == 0:
                fields[place] = field[:-1] + bytes([field[-1] | 0x80, 0x00])
    return b"".join(fields)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A serialised request: whole, rearranged with unknown and repeated fields, or damaged."""
    raws = [m.SerializeToString() for m in draw(st.lists(transactions(), max_size=6))]
    chance = random.Random(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["whole", "rearranged", "rearranged", "damaged"]))
    if kind != "whole":
        raws = [_rewrite(raw, raws, chance) for raw in raws]
    request = b"".join(b"\x0a" + varint(len(raw)) + raw for raw in raws)
    if draw(st.booleans()):
        mode = b"\x10" + varint(draw(st.sampled_from([0, 1, 2, 3, -1, 2**31, 2**40 + 1])))
        request = mode + request if chance.random() < 0.5 else request + mode
    if kind == "rearranged" and chance.random() < 0.2:
        request += _unknown(chance)
    if kind == "damaged" and request:
        damaged = bytearray(request)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        request = (
            bytes(damaged[: chance.randrange(len(damaged) + 1)]) if chance.random() < 0.5 else bytes(damaged)
        )
    return request
