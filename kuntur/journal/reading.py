"""The entries of a journal's directory, in order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kuntur.journal.errors import CorruptJournalError, TornTailError, repair_hint
from kuntur.journal.records import JournalFile, Record, first_sequence
from kuntur.journal.sealing import KeyRing
from kuntur.journal.tail import corrupt, journal_files
from kuntur.journal.v1 import journal_pb2


@dataclass(frozen=True, slots=True)
class Loss:
    """What a reader had to go without.

    Either bytes of a torn tail, of which nobody can say how many entries they were (`entries` is 0), or
    entries that are not in the journal any more (`size` is 0).
    """

    path: Path
    offset: int
    size: int
    entries: int
    cause: str

    def told(self) -> str:
        """Returns it as a sentence."""
        if self.entries:
            what = (
                "1 entry in front of it is" if self.entries == 1 else f"{self.entries:,} entries in front are"
            )
            return f"{self.path}: {what} lost: {self.cause}"
        where = f"{self.size:,} bytes from byte {self.offset:,} on"
        return f"{self.path}: {where} are no entries and were not read: {self.cause}"


def read_entries(
    directory: Path,
    *,
    first: int = 1,
    allow_torn_tail: bool = False,
    lost: Callable[[Loss], None] = lambda _: None,
    keys: KeyRing | None = None,
) -> Iterator[journal_pb2.Entry]:
    """Yields the entries of a journal in order.

    first: sequence before which none is yielded, nor looked at where that can be helped;
    allow_torn_tail: whether a torn tail is taken for the end, as a reader beside a running server must; lost:
    called with it then, and with entries that a repair found lost; keys: of the journal, for
    files that are encrypted. Raises TornTailError for a tail otherwise, CorruptJournalError for anything else
    that is wrong, JournalKeyError where a key is missing, each after the entries before it.
    """
    files = journal_files(directory)
    while len(files) > 1 and first_sequence(files[1]) <= first:
        del files[0]
    expected = first_sequence(files[0]) if files else 1
    for path, following in zip(files, [*files[1:], None], strict=False):
        below = None if following is None else first_sequence(following)
        try:
            file = JournalFile(path, keys)
        except FileNotFoundError:
            if following is None or below is None or journal_files(directory)[:1] <= [path]:
                raise
            cause = "its files became too old while the journal was read"
            lost(Loss(following, 0, 0, below - expected, cause))
            expected = below
            continue
        with file:
            if file.first_sequence != expected:
                raise _missing(path, expected, file.first_sequence)
            if file.header.lost:
                expected += file.header.lost
                lost(Loss(path, 0, 0, file.header.lost, "a repair of the journal went on without them"))
            start = file.find(first) if first > expected else None
            items = file.items(below, start)
            for item in items:
                if isinstance(item, Record):
                    if item.sequence >= first:
                        yield item.entry
                    expected = item.sequence + 1
                elif not item.is_tail or following is not None:
                    rest = item.misplaced + sum(isinstance(other, Record) for other in items)
                    raise corrupt(path, item, rest)
                elif allow_torn_tail:
                    lost(Loss(path, item.offset, item.end - item.offset, 0, item.cause))
                else:
                    raise TornTailError(path, item.offset, item.cause)


def find_record(directory: Path, sequence: int, keys: KeyRing | None = None) -> journal_pb2.Entry | None:
    """Returns the entry with a sequence, without reading all; None where it is not in the journal any more.

    Nor is it where it is not written yet. Raises CorruptJournalError where it may be in bytes that are
    damaged, JournalKeyError, OSError.
    """
    record = find_raw(directory, sequence, keys)
    return None if record is None else record.entry


def find_raw(directory: Path, sequence: int, keys: KeyRing | None = None) -> Record | None:
    """Returns the record of the entry with a sequence, with its bytes, as `find_record` returns the entry."""
    files = journal_files(directory)
    place = bisect_right(files, sequence, key=first_sequence) - 1
    if place < 0:
        return None
    below = first_sequence(files[place + 1]) if place + 1 < len(files) else None
    try:
        file = JournalFile(files[place], keys)
    except FileNotFoundError:  # it became too old meanwhile
        return None
    with file:
        return file.find(sequence) or _scanned(file, sequence, below)


def _scanned(file: JournalFile, sequence: int, below: int | None) -> Record | None:
    """Returns the record of a file that may be damaged. Raises CorruptJournalError as `find_record`."""
    expected, damage = file.first_sequence + file.header.lost, None
    if sequence < expected:
        return None
    for item in file.items(below):
        if not isinstance(item, Record):
            damage = item
            continue
        if item.sequence >= sequence:
            if item.sequence == sequence:
                return item
            break
        expected, damage = item.sequence + 1, None
    if damage is None or (damage.is_tail and below is None):
        return None
    raise corrupt(file.path, damage, 0)


def _missing(path: Path, expected: int, found: int) -> CorruptJournalError:
    if found < expected:
        return CorruptJournalError(path, 0, f"the files before it reach to entry {expected - 1:,} already")
    hint = repair_hint(path, "goes on without them")
    what = f"entries {expected:,} to {found - 1:,} are missing" if found - 1 > expected else ""
    what = what or f"entry {expected:,} is missing"
    return CorruptJournalError(
        path, 0, f"{what} in front of this file; bring it back from elsewhere, or: {hint}"
    )
