"""Where the fields of a request's bytes are, before any rule is looked at.

What is not plainly written is given up here already (GIVE_UP); `kuntur.wire.scan` says what becomes of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuntur.compiled.inside.words import load_word
from kuntur.compiled.native import native
from kuntur.fields import transaction as of
from kuntur.fields.kinds import Choice, Real, Whole
from kuntur.wire.limits import MAX_ID_BYTES
from kuntur.wire.varint import (
    FIXED64,
    LENGTH,
    VARINT,
    is_ascii,
    read_length,
    read_tag,
    read_varint,
    skip_field,
    to_int32,
)

GIVE_UP = -1
ATTRIBUTES = of.ATTRIBUTES.number
FIELDS = max(field.number for field in of.TRANSACTION_FIELDS) + 1
_EVENT_TIME = of.EVENT_TIME.number

_WIRE_TYPES = np.full(FIELDS, LENGTH)
for _field in of.TRANSACTION_FIELDS:
    if isinstance(_field, Whole | Choice):
        _WIRE_TYPES[_field.number] = VARINT
    elif isinstance(_field, Real):
        _WIRE_TYPES[_field.number] = FIXED64


@native
def read_outline(data):
    """Returns how many transactions a request has (its field 1), and its reasons mode (its field 2).

    (GIVE_UP, 0) for a request that is not plainly written.
    """
    at, count, mode = 0, 0, 0
    while at < len(data):
        field, wire_type, at = read_tag(data, at, len(data))
        if at < 0 or (field == 1 and wire_type != LENGTH) or (field == 2 and wire_type != VARINT):
            return GIVE_UP, 0
        if field == 2:
            value, at = read_varint(data, at, len(data))
            mode = to_int32(value)
        else:
            at = skip_field(data, at, len(data), wire_type)
        if at < 0:
            return GIVE_UP, 0
        count += field == 1
    return count, mode


class Found(NamedTuple):
    """What a transaction's bytes hold, each array by field number.

    starts, lengths: int64, where the text of a field is; numbers: uint64, numbers and the bits of
    coordinates, at _EVENT_TIME the seconds and at 0 the nanoseconds.
    """

    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.uint64]


@native
def read_fields(data, at, end, found):
    """Reads the fields of a transaction, the last of each, into `found`.

    Returns the set of fields, bit by bit, and how many attributes there are; (GIVE_UP, 0) for a message
    that is not plainly written.
    """
    starts, lengths, numbers = found
    given, attributes = 0, 0
    while at < end:
        field, wire_type, at = read_tag(data, at, end)
        if at < 0:
            return GIVE_UP, 0
        if field >= FIELDS:
            at = skip_field(data, at, end, wire_type)
            if at < 0:
                return GIVE_UP, 0
            continue
        if wire_type != _WIRE_TYPES[field]:
            return GIVE_UP, 0
        given |= 1 << field
        if wire_type == VARINT:
            numbers[field], at = read_varint(data, at, end)
            if at < 0:
                return GIVE_UP, 0
        elif wire_type == FIXED64:
            if at + 8 > end:
                return GIVE_UP, 0
            numbers[field] = load_word(data, at)
            at += 8
        else:
            length, at = read_length(data, at, end)
            if at < 0:
                return GIVE_UP, 0
            if field == _EVENT_TIME:
                seconds, nanos = np.int64(numbers[_EVENT_TIME]), np.int64(numbers[0])
                seconds, nanos, good = _read_time(data, at, at + length, seconds, nanos)
                if not good:
                    return GIVE_UP, 0
                numbers[_EVENT_TIME], numbers[0] = np.uint64(seconds), np.uint64(nanos)
            elif field == ATTRIBUTES:
                attributes += 1
            elif length > MAX_ID_BYTES or not is_ascii(data, at, length):
                return GIVE_UP, 0
            else:
                starts[field], lengths[field] = at, length
            at += length
    return given, attributes


@native
def _read_time(data, at, end, seconds, nanos):
    """Merges a Timestamp into (seconds, nanos), as protobuf does when the field comes twice."""
    while at < end:
        field, wire_type, at = read_tag(data, at, end)
        if at < 0 or (field <= 2 and wire_type != VARINT):
            return seconds, nanos, False
        if field > 2:
            at = skip_field(data, at, end, wire_type)
        else:
            value, at = read_varint(data, at, end)
            if field == 1:
                seconds = np.int64(value)
            else:
                nanos = to_int32(value)
        if at < 0:
            return seconds, nanos, False
    return seconds, nanos, True
