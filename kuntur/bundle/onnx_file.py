"""What an ONNX file declares, looked at before a runtime opens it: how deep it nests, how much it holds.

A file of some bytes may declare a tensor that fills the memory, one that lies in another file of the machine,
or graphs within graphs until a reader's stack ends. So the messages of the file are walked here first,
without unfolding any: field by field, on a stack of this module's own. Meant for the child in which a model
is tried, since a large file takes its time; nothing but the standard library is loaded.

The numbers are those of onnx.proto, which never change.
"""

from __future__ import annotations

import re
from math import prod

MAX_DEPTH = 32
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10

# Messages in messages, by field number; those that may stand there once alone, since a second would be merged
# with the first.
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION, _TRAINING = range(8)
_INSIDE: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
_ONCE = {(_MODEL, 7), (_ATTRIBUTE, 5), (_ATTRIBUTE, 6), (_TRAINING, 1), (_TRAINING, 2)}
# Fields of a tensor.
_DIMS, _DATA_TYPE, _RAW, _EXTERNAL, _LOCATION = 1, 2, 9, 13, 14
_VALUES = {4: 4, 5: 1, 6: 1, 7: 1, 10: 8, 11: 1}  # bytes that a value takes at the least, by field
# Bits of a value in `raw_data`, by the number of its type.
_BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128,
    16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2, 27: 6, 28: 6,
}  # fmt: skip

# A run of numbers in an attribute, one by one as ONNX writes them: trees have thousands, with nothing inside.
_NUMBERS = re.compile(rb"(?:\x3D.{4}|\x40[\x80-\xFF]{0,9}+[\x00-\x7F])*+", re.DOTALL)


class OnnxFileError(ValueError):
    """A file that no runtime should open: what is wrong with it."""


def check_declared(model: bytes) -> None:
    """Raises OnnxFileError for a file that nests too deep, or declares more than it holds.

    More than it holds: a tensor of more values than there are bytes for, in another file, or a sparse one.
    """
    waiting = [(_MODEL, 0, len(model), 0)]
    while waiting:
        kind, at, end, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise OnnxFileError(f"its graphs nest more than {MAX_DEPTH} messages deep")
        if kind == _TENSOR:
            _check_tensor(model, at, end)
            continue
        if kind == _SPARSE:
            raise OnnxFileError("it holds a sparse tensor, whose size is whatever it declares")
        inside, once = _INSIDE[kind], set()
        while at < end:
            if kind == _ATTRIBUTE:
                at = _end_of_numbers(model, at, end)
                if at == end:
                    break
            number, wire, start, at = _field(model, at, end)
            child = inside.get(number)
            if child is None or wire != _BYTES:
                continue
            if (kind, number) in _ONCE:
                if number in once:
                    raise OnnxFileError("it holds a part twice that may stand there once")
                once.add(number)
            waiting.append((child, start, at, depth + 1))


def _check_tensor(model: bytes, at: int, end: int) -> None:
    dims: list[int] = []
    values, raw_bytes, data_type = 0, -1, 0
    while at < end:
        number, wire, start, at = _field(model, at, end)
        if number == _DIMS:
            dims += _integers(model, wire, start, at)
        elif number == _DATA_TYPE and wire == _VARINT:
            data_type = _varint(model, start, at)[0]
        elif number == _RAW:
            raw_bytes = at - start
        elif number == _EXTERNAL or (number == _LOCATION and _varint(model, start, at)[0]):
            raise OnnxFileError("a tensor of it lies in another file")
        elif number in _VALUES:
            size = at - start if wire == _BYTES and number != 6 else _VALUES[number]
            values += max(size // _VALUES[number], 0)
    if len(dims) > MAX_DEPTH or any(size >= 1 << 63 for size in dims):
        raise OnnxFileError("a tensor of it has no shape")
    declared = prod(dims)
    if raw_bytes >= 0:
        held = raw_bytes * 8 // _BITS.get(data_type, 1)
    else:
        held = values * 4 if data_type in (21, 22, 23, 25, 26) else values  # several to a value
    if declared > held:
        raise OnnxFileError(f"a tensor of it declares {declared:,} values and holds {held:,}")


def _end_of_numbers(model: bytes, at: int, end: int) -> int:
    run = _NUMBERS.match(model, at, end)
    return at if run is None else run.end()


def _field(model: bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Returns number and wire type of a field, where its content begins and where it ends."""
    tag = model[at]
    at += 1
    if tag > 0x7F:
        tag, at = _varint(model, at - 1, end)
    wire, start = tag & 7, at
    if wire == _VARINT:
        while at < end and model[at] > 0x7F:
            at += 1
        at += 1
        if at - start > _LONGEST_VARINT:
            raise OnnxFileError("it is no protobuf message")
    elif wire == _BYTES:
        length, start = _varint(model, at, end)
        at = start + length
    elif wire == _FIXED32:
        at += 4
    elif wire == _FIXED64:
        at += 8
    else:
        raise OnnxFileError("it is no protobuf message")
    if at > end:
        raise OnnxFileError("it is no protobuf message")
    return tag >> 3, wire, start, at


def _integers(model: bytes, wire: int, start: int, end: int) -> list[int]:
    """Returns the integers of a repeated field, written one by one or packed."""
    if wire not in (_VARINT, _BYTES):
        raise OnnxFileError("it is no protobuf message")
    found: list[int] = []
    while start < end and len(found) <= MAX_DEPTH:
        value, start = _varint(model, start, end)
        found.append(value)
    return found


def _varint(model: bytes, at: int, end: int) -> tuple[int, int]:
    """Returns an integer and where it ends."""
    value = 0
    for place in range(_LONGEST_VARINT):
        if at >= end:
            break
        byte = model[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte <= 0x7F:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise OnnxFileError("it is no protobuf message")
