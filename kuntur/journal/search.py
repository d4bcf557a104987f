"""Where records may start in the bytes of a journal file, found by what heads and payloads look like."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from kuntur.journal.layout import SEALED_HEAD_BYTES, number

_FIRST_BYTES, _MOST_BYTES = 16 << 10, 1 << 20  # of a window; what is looked for is mostly near
_OVERLAP = SEALED_HEAD_BYTES  # bytes of the next window that a find may reach into
# A payload starts with the tag and value of Entry.sequence, a varint. The look-ahead finds overlapping ones.
_SEQUENCE = re.compile(rb"(?=\x08([\x80-\xff]{0,8}[\x00-\x7f]))")
# The highest bytes of the number in a nonce, which no file ever needs, and where they stand in a head.
_ZEROS, _ZEROS_AT = bytes(3), 21


class Window(NamedTuple):
    """Bytes of a file from `base` on; a find has to start in the first `length` of them."""

    base: int
    length: int
    raw: bytes


def windows(descriptor: int, start: int, size: int) -> Iterator[Window]:
    """Yields the bytes of a file from an offset on, in windows that overlap."""
    length = _FIRST_BYTES
    while start < size:
        yield Window(start, length, os.pread(descriptor, min(length + _OVERLAP, size - start), start))
        start += length
        length = min(2 * length, _MOST_BYTES)


def marked(window: Window, marker: bytes) -> Iterator[int]:
    """Yields the offsets at which a marker stands."""
    last = window.length + len(marker) - 1
    at = window.raw.find(marker, 0, last)
    while at >= 0:
        yield window.base + at
        at = window.raw.find(marker, at + 1, last)


def payloads(window: Window) -> Iterator[tuple[int, int]]:
    """Yields where the payload of a record that is not encrypted may start, and the sequence of its entry."""
    for found in _SEQUENCE.finditer(window.raw):
        if found.start() >= window.length:
            break
        yield window.base + found.start(), number(found[1])


def sealed_heads(window: Window) -> Iterator[tuple[int, bytes]]:
    """Yields where the head of an encrypted record may start, whatever its marker is, and its bytes."""
    raw = window.raw
    zeros = raw.find(_ZEROS)
    while zeros >= 0:
        head = raw[max(0, zeros - _ZEROS_AT) :][:SEALED_HEAD_BYTES]
        if zeros - _ZEROS_AT >= window.length:
            return
        if not any(head):  # a run of zeros: on to the first head that reaches out of it
            behind = len(raw) - len(raw[zeros:].lstrip(b"\0"))
            zeros = max(zeros, behind - SEALED_HEAD_BYTES + _ZEROS_AT)
        elif zeros >= _ZEROS_AT and len(head) == SEALED_HEAD_BYTES:
            yield window.base + zeros - _ZEROS_AT, head
        zeros = raw.find(_ZEROS, zeros + 1)
