"""The attributes of a request that `kuntur.wire.scan` has taken: a column for each name.

A pass of its own, so that transactions without attributes do not pay for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.compiled.inside.words import load_word
from kuntur.compiled.native import native, native_owning
from kuntur.wire.limits import MAX_ATTRIBUTES, MAX_NAME_BYTES
from kuntur.wire.outline import ATTRIBUTES, GIVE_UP
from kuntur.wire.varint import LENGTH, read_length, read_tag, skip_field

_NAMES = 64  # different names in a frame; more are left to protobuf


@native
def _is_name(data, start, length):
    if length == 0 or length > MAX_NAME_BYTES:
        return False
    for at in range(start, start + length):
        byte = data[at]
        letter = ord("a") <= byte <= ord("z")
        if not letter and (at == start or not (ord("0") <= byte <= ord("9") or byte == ord("_"))):
            return False
    return True


@native
def _name_number(data, start, length, names, known):
    """Returns the number of a name among those known, or `known` for a new one."""
    for number in range(known):
        if names[number, 1] == length:
            at = names[number, 0]
            same = True
            for byte in range(length):
                if data[at + byte] != data[start + byte]:
                    same = False
                    break
            if same:
                return number
    return known


@native
def _read_entry(data, at, end):
    """Returns start and length of an entry's name, and where its value is; GIVE_UP first for an odd one."""
    field, wire_type, at = read_tag(data, at, end)
    if at < 0 or field != 1 or wire_type != LENGTH:
        return GIVE_UP, 0, 0
    length, at = read_length(data, at, end)
    # What is left is the tag of field 2, a double, and its eight bytes.
    if at < 0 or at + length + 9 != end or data[at + length] != 0x11:
        return GIVE_UP, 0, 0
    return at, length, at + length + 1


@native_owning
def _collect(data, n, count):
    names = np.empty((_NAMES, 2), dtype=np.int64)
    entries = np.empty((count, 3), dtype=np.int64)
    nothing = np.empty((0, n), dtype=np.float64)
    at, row, known, entry = 0, 0, 0, 0
    while at < len(data):
        field, wire_type, at = read_tag(data, at, len(data))
        if field != 1:
            at = skip_field(data, at, len(data), wire_type)
            continue
        length, at = read_length(data, at, len(data))
        end, first = at + length, entry
        while at < end:
            field, wire_type, at = read_tag(data, at, end)
            if field != ATTRIBUTES:
                at = skip_field(data, at, end, wire_type)
                continue
            length, at = read_length(data, at, end)
            name, size, value = _read_entry(data, at, at + length)
            at += length
            if name == GIVE_UP or not _is_name(data, name, size) or entry - first >= MAX_ATTRIBUTES:
                return names[:0], nothing, False
            number = _name_number(data, name, size, names, known)
            if number == known:
                if known == _NAMES:
                    return names[:0], nothing, False
                names[known, 0], names[known, 1] = name, size
                known += 1
            entries[entry, 0], entries[entry, 1], entries[entry, 2] = row, number, value
            entry += 1
        row += 1
    columns = np.full((known, n), np.nan)
    for entry in range(count):
        value = np.uint64(load_word(data, entries[entry, 2])).view(np.float64)
        if not np.isfinite(value):
            return names[:0], nothing, False
        columns[entries[entry, 1], entries[entry, 0]] = value
    return names[:known], columns, True


def read_attributes(raw: bytes, n: int, count: int) -> dict[str, npt.NDArray[np.float64]] | None:
    """Returns the attributes of a scanned request: name to float64 [n], NaN where a row has none.

    n, count: transactions and attributes that `scan` found. None when an attribute breaks a rule or is
    not plainly written.
    """
    names, columns, good = _collect(raw, n, count)
    if not good:
        return None
    return {
        raw[start : start + length].decode("ascii"): values
        for (start, length), values in zip(names.tolist(), columns, strict=True)
    }
