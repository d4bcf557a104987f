"""The entries that a server writes: their bytes without the sequence, which is put in front."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from enum import IntEnum

from kuntur.journal.v1 import journal_pb2

_SALT_BYTES, _SALTS_AT_ONCE = 16, 256
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
    return journal_pb2.Entry(
        admission=journal_pb2.Admission(
            kind=kind.value,  # type: ignore[arg-type]
            requests=requests,
            refused=refused,
            callers=callers,
        ),
        written_time=_now(),
        salt=_salt(),
    ).SerializeToString()


def answer(
    kind: RequestKind, admission_sequence: int, responses: Sequence[bytes], unscored: Iterable[int] = ()
) -> bytes:
    """Returns an entry for what the callers of an admission are answered, with the fields of `Answer`."""
    return journal_pb2.Entry(
        answer=journal_pb2.Answer(
            kind=kind.value,  # type: ignore[arg-type]
            admission=admission_sequence,
            responses=responses,
            unscored=unscored,
        ),
        written_time=_now(),
        salt=_salt(),
    ).SerializeToString()


def _salt() -> bytes:
    """Returns random bytes that were never used, at a quarter of what asking the kernel each time takes."""
    while True:
        try:
            return _salts.pop()  # each goes to one thread
        except IndexError:
            more = os.urandom(_SALT_BYTES * _SALTS_AT_ONCE)
            _salts.extend(more[at : at + _SALT_BYTES] for at in range(0, len(more), _SALT_BYTES))


def _now() -> dict[str, int]:
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    return {"seconds": seconds, "nanos": nanos}
