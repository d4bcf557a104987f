"""The protobuf wire format at its lowest: varints, skipped fields, plain text; all compiled.

Each function returns a position of -1 for what it does not take, which need not be malformed: its caller
leaves the message to protobuf, which decides.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.inside.words import load_word
from kuntur.compiled.native import native
from kuntur.identity import load_rest

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # wire types; groups are left to protobuf
_HIGH_BITS = np.uint64(0x8080808080808080)


@native
def read_varint(data, at, end):
    """Returns the number at a position, uint64, and the position behind it."""
    value = np.uint64(0)
    for shift in range(0, 70, 7):
        if at >= end:
            return value, -1
        byte = np.uint64(data[at])
        at += 1
        value |= (byte & np.uint64(0x7F)) << np.uint64(shift)
        if byte < np.uint64(0x80):
            return (value, -1) if shift == 63 and byte > np.uint64(1) else (value, at)
    return value, -1


@native
def read_tag(data, at, end):
    """Returns a field's number and wire type and the position behind them; tags of one or two bytes."""
    value, after = read_varint(data, at, end)
    if after < 0 or after - at > 2 or value < np.uint64(8):
        return 0, 0, -1
    return np.int64(value >> np.uint64(3)), np.int64(value & np.uint64(7)), after


@native
def read_length(data, at, end):
    """Returns the length of what follows and where it starts; it ends before `end`."""
    value, after = read_varint(data, at, end)
    if after < 0 or value > np.uint64(end - after):
        return 0, -1
    return np.int64(value), after


@native
def skip_field(data, at, end, wire_type):
    """Returns the position behind a field that is not needed."""
    if wire_type == VARINT:
        _, at = read_varint(data, at, end)
        return at
    if wire_type == LENGTH:
        length, at = read_length(data, at, end)
        return at + length if at >= 0 else -1
    if wire_type == FIXED64:
        at += 8
    elif wire_type == FIXED32:
        at += 4
    else:
        return -1
    return at if at <= end else -1


@native
def to_int32(value):
    """Returns a varint's uint64 as protobuf reads it into an int32 or an enum: its lower half, as int64."""
    return np.int64(value << np.uint64(32)) >> 32


@native
def is_ascii(data, start, length):
    """Tells whether text is ASCII, and so is UTF-8 without a closer look."""
    bits = np.uint64(0)
    for _ in range(length >> 3):
        bits |= load_word(data, start)
        start += 8
    bits |= load_rest(data, start, length & 7)
    return bits & _HIGH_BITS == np.uint64(0)
