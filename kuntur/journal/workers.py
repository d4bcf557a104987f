"""The journal of a server of earlier versions, whose processes wrote one each: a reader takes them as one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from pathlib import Path

from kuntur.journal.entries import entry_ns
from kuntur.journal.reading import Loss, read_entries
from kuntur.journal.sealing import KeyRing
from kuntur.journal.tail import journal_files
from kuntur.journal.v1 import journal_pb2

WORKER_PREFIX = "worker-"
_NEW = {"admission", "answer"}


def worker_parts(directory: Path) -> list[Path]:
    """Returns the directories of the workers of a server's journal that hold entries."""
    workers = [path for path in directory.glob(WORKER_PREFIX + "*") if path.is_dir()]
    workers.sort(key=lambda path: (len(path.name), path.name))
    return [path for path in workers if journal_files(path)]


def journal_parts(directory: Path) -> list[Path]:
    """Returns the directories of a server's journal that hold entries: its own first, then its workers'."""
    return [*([directory] if journal_files(directory) else []), *worker_parts(directory)]


def read_server_journal(
    directory: Path,
    *,
    first: int = 1,
    allow_torn_tail: bool = False,
    lost: Callable[[Loss], None] = lambda _: None,
    keys: KeyRing | None = None,
) -> Iterator[journal_pb2.Entry]:
    """Yields the entries of all parts; those of the kinds that workers wrote come before all others.

    They come by the time at which they were written, and each part keeps its order: two of different workers
    within some microseconds may stand the other way round. Their sequences count within a part. first: as in
    `read_entries`, for the server's own part; above 1 it is read alone. Torn tails and losses as there, for
    each part; raises as that does, each after the entries that were written before.
    """
    own = read_entries(directory, first=first, allow_torn_tail=allow_torn_tail, lost=lost, keys=keys)
    if first <= 1 and (parts := worker_parts(directory)):
        workers = [
            read_entries(path, allow_torn_tail=allow_torn_tail, lost=lost, keys=keys) for path in parts
        ]
        newer: list[journal_pb2.Entry] = []
        yield from heapq.merge(_old(own, newer), *workers, key=entry_ns)
        yield from newer
    yield from own


def _old(entries: Iterator[journal_pb2.Entry], newer: list[journal_pb2.Entry]) -> Iterator[journal_pb2.Entry]:
    """Yields the first entries, of old kinds, up to the first of another, which goes to `newer`."""
    for entry in entries:
        if entry.WhichOneof("exchange") in _NEW:
            newer.append(entry)
            return
        yield entry
