"""The entries that a server writes: their bytes without the sequence, which is put in front."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from enum import IntEnum

from google.protobuf.timestamp_pb2 import Timestamp

from kuntur.journal.v1 import journal_pb2

_SALT_BYTES, _SALTS_AT_ONCE = 16, 256
_SALT = b"\x4a\x10"  # tag and length of `Entry.salt`
_salts: list[bytes] = []


class RequestKind(IntEnum):
    """What requests ask for; the numbers are those of the protobuf enum."""

    SCORE_TRANSACTION = 1
    SCORE_STREAM = 2
    REPORT_OUTCOMES = 3
    BACKFILL = 4


def admission(
    kind: RequestKind, requests: Sequence[bytes], refused: Iterable[int] = (), callers: Sequence[str] = ()
) -> bytes:
    """Returns an entry for what enters the history; the arguments are those of `Admission`."""
    entry = journal_pb2.Entry(
        admission=journal_pb2.Admission(
            kind=kind.value,  # type: ignore[arg-type]
            requests=requests,
            refused=refused,
            callers=callers,
        ),
    )
    return _clock.now() + entry.SerializeToString() + _salt()


def answer(
    kind: RequestKind, admission_sequence: int, responses: Sequence[bytes], unscored: Iterable[int] = ()
) -> bytes:
    """Returns an entry for what the callers of an admission are answered, with the fields of `Answer`."""
    entry = journal_pb2.Entry(
        answer=journal_pb2.Answer(
            kind=kind.value,  # type: ignore[arg-type]
            admission=admission_sequence,
            responses=responses,
            unscored=unscored,
        ),
    )
    return _clock.now() + entry.SerializeToString() + _salt()


def entry_ns(entry: journal_pb2.Entry) -> int:
    """Returns when an entry says that it was written, in nanoseconds since 1970; also what is no time."""
    written = entry.written_time
    return written.seconds * 10**9 + written.nanos


class _Clock:
    """The field `written_time` of this millisecond, serialised: making it costs as much as all the rest."""

    def __init__(self) -> None:
        self._made = (0, b"")

    def now(self) -> bytes:
        """Returns it. Safe for threads."""
        millisecond = time.time_ns() // 1_000_000
        made = self._made
        if made[0] != millisecond:
            seconds, rest = divmod(millisecond, 1000)
            written = Timestamp(seconds=seconds, nanos=rest * 1_000_000)
            self._made = made = (
                millisecond,
                journal_pb2.Entry(written_time=written).SerializeToString(),
            )
        return made[1]


_clock = _Clock()


def _salt() -> bytes:
    """Returns the field `salt`, serialised, of bytes that no other entry has.

    They are asked of the kernel for many entries at once: a quarter of what it takes to ask for each.
    """
    while True:
        try:
            return _salts.pop()  # each goes to one thread
        except IndexError:
            more = os.urandom(_SALT_BYTES * _SALTS_AT_ONCE)
            _salts.extend(_SALT + more[at : at + _SALT_BYTES] for at in range(0, len(more), _SALT_BYTES))
