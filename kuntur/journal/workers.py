"""The journal of a server of several processes: each writes its own, and a reader takes them as one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from pathlib import Path

from kuntur.journal.file import Loss, journal_files, read_entries
from kuntur.journal.v1 import journal_pb2

WORKER_PREFIX = "worker-"


def journal_parts(directory: Path) -> list[Path]:
    """Returns the directories of a server's journal that hold entries: its own first, then its workers'."""
    workers = [path for path in directory.glob(WORKER_PREFIX + "*") if path.is_dir()]
    workers.sort(key=lambda path: (len(path.name), path.name))
    return [path for path in (directory, *workers) if journal_files(path)]


def read_server_journal(
    directory: Path, *, allow_torn_tail: bool = False, lost: Callable[[Loss], None] = lambda _: None
) -> Iterator[journal_pb2.Entry]:
    """Yields the entries of all parts by the time at which they were written; each part keeps its order.

    A worker takes down its exchange right after it changed the history: two of different workers within
    some microseconds may stand the other way round. Sequences count within a part. Torn tails and losses as
    in `read_entries`, for each part; raises as that does, each after the entries that were written before.
    """
    parts = [
        read_entries(path, allow_torn_tail=allow_torn_tail, lost=lost) for path in journal_parts(directory)
    ]
    return heapq.merge(*parts, key=lambda entry: entry.written_time.ToNanoseconds())
