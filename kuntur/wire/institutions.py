"""Of which institutions the items of a request are: one compiled pass over its bytes, where that is asked.

Only callers that act for some institutions and not for others need it, so the scan of requests
(`kuntur.wire.scan`) does without.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from kuntur.api.v1 import scoring_service_pb2
from kuntur.compiled.native import native
from kuntur.fields import transaction as of
from kuntur.wire.reading import MalformedError
from kuntur.wire.varint import LENGTH, read_length, read_tag, skip_field

_GIVE_UP = -1
_INSTITUTION_ID = of.INSTITUTION_ID.number


@native
def _is_one(data, start, length, texts, ends):
    """Tells whether data[start : start + length] is one of the texts, which end at `ends`."""
    first = 0
    for which in range(len(ends)):
        end = ends[which]
        if end - first == length:
            same = True
            for at in range(length):
                if data[start + at] != texts[first + at]:
                    same = False
                    break
            if same:
                return True
        first = end
    return False


@native
def _institution(data, at, end):
    """Returns where the institution's id of a transaction is, and its length; the last of several counts."""
    start, length = 0, 0
    while at < end:
        field, wire_type, at = read_tag(data, at, end)
        if at < 0:
            return _GIVE_UP, 0
        if field != _INSTITUTION_ID:
            at = skip_field(data, at, end, wire_type)
            if at < 0:
                return _GIVE_UP, 0
            continue
        if wire_type != LENGTH:
            return _GIVE_UP, 0
        length, start = read_length(data, at, end)
        if start < 0:
            return _GIVE_UP, 0
        at = start + length
    return start, length


@native
def _foreign(data, texts, ends, found):
    """Finds the transactions whose institution is none of the texts.

    data: bytes of a request; texts: uint8, one institution's id behind the other; ends: int64, where each
    ends; found: int64 [n, 3], written: place, start and length of the institution's id. Returns how many
    there are, or _GIVE_UP for bytes that are not plainly written.
    """
    at, place, count = 0, 0, 0
    while at < len(data):
        field, wire_type, at = read_tag(data, at, len(data))
        if at < 0:
            return _GIVE_UP
        if field != 1:
            at = skip_field(data, at, len(data), wire_type)
            if at < 0:
                return _GIVE_UP
            continue
        length, at = read_length(data, at, len(data))
        if at < 0 or wire_type != LENGTH or place >= len(found):
            return _GIVE_UP
        start, size = _institution(data, at, at + length)
        if start < 0:
            return _GIVE_UP
        if not _is_one(data, start, size, texts, ends):
            found[count, 0], found[count, 1], found[count, 2] = place, start, size
            count += 1
        at += length
        place += 1
    return count if place == len(found) else _GIVE_UP


class InstitutionSet:
    """Institutions that somebody acts for. The empty id is one of its own, and only in it if it is named."""

    __slots__ = ("_ends", "_ids", "_texts")

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = frozenset(ids)
        encoded = [each.encode() for each in sorted(self._ids)]
        self._texts: npt.NDArray[np.uint8] = np.frombuffer(b"".join(encoded) or b"\0", dtype=np.uint8)
        self._ends: npt.NDArray[np.int64] = np.cumsum([len(each) for each in encoded], dtype=np.int64)

    def __contains__(self, institution_id: str) -> bool:
        return institution_id in self._ids

    def foreign(self, raw: bytes, count: int) -> dict[int, str]:
        """Returns the other institutions that the transactions of a request name, by place.

        raw: a serialised ScoreTransactionRequest, ScoreStreamRequest or BackfillRequest, or several behind
        one another; count: how many transactions it has. Raises MalformedError.
        """
        found = np.empty((count, 3), dtype=np.int64)
        number = _foreign(raw, self._texts, self._ends, found)
        if number == 0:
            return {}
        if number > 0:
            try:
                return {
                    place: raw[start : start + length].decode()
                    for place, start, length in found[:number].tolist()
                }
            except UnicodeDecodeError:  # which protobuf decides on
                pass
        return self._foreign_messages(raw)

    def _foreign_messages(self, raw: bytes) -> dict[int, str]:
        """Returns the same of any request, through protobuf."""
        try:
            request = scoring_service_pb2.ScoreStreamRequest.FromString(raw)
        except DecodeError as error:
            raise MalformedError("the request is not a valid message of its type") from error
        return {
            place: transaction.institution_id
            for place, transaction in enumerate(request.transactions)
            if transaction.institution_id not in self._ids
        }
