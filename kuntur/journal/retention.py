"""Which of a journal's files have to go, for their age or the size of all, and their removal.

The oldest go first, so that what is left has no gap. A file stays that is being written, or that holds an
entry from which a history would have to be made again.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path

from kuntur.files.paths import sync
from kuntur.journal.entries import entry_ns
from kuntur.journal.errors import JournalError
from kuntur.journal.records import JournalFile, first_sequence
from kuntur.journal.sealing import KeyRing
from kuntur.journal.tail import journal_files
from kuntur.journal.workers import journal_parts, worker_parts

_DAY_NS = 86_400 * 10**9


def expire(
    directory: Path,
    *,
    keep_from: int,
    days: float | None = None,
    max_bytes: int | None = None,
    keys: KeyRing | None = None,
    now_ns: int | None = None,
) -> list[Path]:
    """Removes the files of a server's journal that have to go, and returns them.

    keep_from: sequence of the first entry that has to stay; days: age of its last entry at which a file goes,
    None for none; max_bytes: size of all files beyond which the oldest go, None for none; keys: of the
    journal; now_ns: the server's clock. What a repair set aside of a file goes with it. Each removal is on
    the disk before the next. Raises OSError.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    before_ns = None if days is None else now_ns - int(days * _DAY_NS)
    size = sum(path.stat().st_size for part in journal_parts(directory) for path in journal_files(part))
    gone: list[Path] = []
    for path in _oldest(directory, keep_from, lambda path: written_ns(path, keys)):
        too_much = max_bytes is not None and size > max_bytes
        if not too_much and (before_ns is None or written_ns(path, keys) >= before_ns):
            break
        size -= path.stat().st_size
        gone += _remove(path)
    return gone


def written_ns(path: Path, keys: KeyRing | None = None) -> int:
    """Returns when the last entry of a file was written, in nanoseconds since 1970.

    Of a file without entries, or that cannot be read, it is when it was changed last. Raises OSError.
    """
    try:
        with JournalFile(path, keys) as file:
            if (last := file.last()) is not None:
                return entry_ns(last.entry)
    except JournalError:
        pass
    return path.stat().st_mtime_ns


def _oldest(directory: Path, keep_from: int, age: Callable[[Path], int]) -> Iterator[Path]:
    """Yields the files that may go, the oldest first: those of earlier versions' workers, then the others."""
    workers = map(journal_files, worker_parts(directory)) if keep_from > 1 else ()
    files = journal_files(directory)
    own = (path for path, following in pairwise(files) if first_sequence(following) <= keep_from)
    return chain(heapq.merge(*workers, key=age), own)


def _remove(path: Path) -> list[Path]:
    gone = [*sorted(path.parent.glob(f"{path.name}.*")), path]
    for each in gone:
        each.unlink()
    # One after the other: were they all on their way, a loss of power could leave a gap between two.
    sync(path.parent)
    return gone
