"""Journals for tests of evidence: what they say, written down without a server, and their signed logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kuntur.api.v1 import scoring_service_pb2, transaction_pb2
from kuntur.journal.entries import RequestKind
from kuntur.journal.file import JournalFileWriter
from kuntur.journal.records import JournalFile, Record
from kuntur.journal.sealing import KeyRing
from kuntur.journal.tail import journal_files
from kuntur.journal.v1 import journal_pb2
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.signing.places import CHECKPOINT
from tests.support.journals import admission, append
from tests.support.serving import transaction, unary
from tests.support.transparency import grown, signed, signing_key

KEY, WITNESS = signing_key(), signing_key(9, KeyKind.WITNESS)
INSTITUTION = "banco-andino"
CALL, FRAME = RequestKind.SCORE_TRANSACTION.value, RequestKind.SCORE_STREAM.value
TIME_NS = 1_790_000_000 * 10**9


def of_bank(transaction_id: str = "t-1", **changes: Any) -> transaction_pb2.Transaction:
    return transaction(transaction_id, **({"institution_id": INSTITUTION} | changes))


def asked(
    *messages: transaction_pb2.Transaction, callers: tuple[str, ...] = (), refused: tuple[int, ...] = ()
) -> journal_pb2.Entry:
    """Returns the admission of calls that came together."""
    requests = [unary(each).SerializeToString() for each in messages]
    return admission(CALL, *requests, callers=callers, refused=refused, time_ns=TIME_NS)


def answered(to: int, scores: Mapping[str, Any] | None = None, **fields: Any) -> journal_pb2.Entry:
    """Returns the answer to a call: a score with some fields, or none."""
    response = b""
    if scores is not None:
        response = scoring_service_pb2.ScoreTransactionResponse(score=dict(scores)).SerializeToString()
    one = journal_pb2.Entry(
        answer=journal_pb2.Answer(
            admission=to,
            responses=[response],
            kind=CALL,  # type: ignore[arg-type]
            unscored=() if scores is not None else (0,),
            **fields,
        )
    )
    one.written_time.FromNanoseconds(TIME_NS + 10**6)
    return one


def write_entries(directory: Path, *entries: journal_pb2.Entry, keys: KeyRing | None = None) -> None:
    """Appends entries to a journal."""
    writer = JournalFileWriter(directory, keys=keys)
    append(writer, entries)
    writer.close()


def payloads(directory: Path) -> list[bytes]:
    """Returns the raw bytes of all entries of a journal."""
    found = []
    for path in journal_files(directory):
        with JournalFile(path) as file:
            found += [item.payload for item in file.items() if isinstance(item, Record)]
    return found


def sign(directory: Path, *, size: int | None = None, witnessed: bool = False) -> Path:
    """Signs a journal, or its first entries, as a log beside it; returns the folder of that."""
    log = directory / "log"
    note = signed(grown(log, payloads(directory)[:size]))
    if witnessed:
        note = note.signed([WITNESS], 1_790_000_100)
    (log / CHECKPOINT).write_bytes(note.encode())
    return log
