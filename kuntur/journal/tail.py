"""Where the next entry of a journal goes: what its writer has to know and mend before it writes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from kuntur.files.paths import sync
from kuntur.journal.aside import set_aside
from kuntur.journal.errors import CorruptJournalError, repair_hint
from kuntur.journal.records import Damage, JournalFile, Record
from kuntur.journal.sealing import KeyRing

_GLOB = "journal-*.kj"


@dataclass(frozen=True, slots=True)
class TornTail:
    """Bytes behind the last entry that were set aside. aside: the file that they are in now."""

    path: Path
    offset: int
    size: int
    cause: str
    aside: Path


@dataclass(frozen=True, slots=True)
class End:
    """The end of a journal. hollow: the last file when there is no entry in it."""

    next_sequence: int = 1
    hollow: Path | None = None
    torn: TornTail | None = None


def file_name(first_sequence: int) -> str:
    """Names the file whose first entry has this sequence."""
    return f"journal-{first_sequence:020d}.kj"


def journal_files(directory: Path) -> list[Path]:
    """Returns the files of a journal in order; none when there is no directory."""
    return sorted(directory.glob(_GLOB))


def recover_end(directory: Path, keys: KeyRing | None = None, unsynced: int | None = None) -> End:
    """Finds the end of a journal; a torn tail is moved from the last file to one beside it.

    unsynced: sequence of an entry before which all were synced once, None where that is not known. From
    there on a loss of power leaves some of what was written, in any order: valid records behind damage
    belong to the torn tail then, for nothing can go on from them.

    Only the last file is looked at. What is left of it is on the disk when this returns. Whoever calls holds
    the writer's lock. Raises OSError, and JournalError when the last file is damaged in front of a valid
    record otherwise: nothing is changed then.
    """
    files = journal_files(directory)
    if not files:
        return End()
    last, tail, again = files[-1], None, None
    with JournalFile(last, keys) as file:
        start = sequence = file.first_sequence
        sequence += file.header.lost
        items = file.items()
        for item in items:
            if isinstance(item, Record):
                if again is None and unsynced is not None and item.sequence >= unsynced:
                    again = item.offset
                sequence = item.sequence + 1
            elif item.is_tail:
                tail = item
            elif unsynced is not None and sequence >= unsynced:
                tail = replace(item, end=file.size)
                break
            else:
                following = item.misplaced + sum(isinstance(other, Record) for other in items)
                raise corrupt(last, item, following)
    torn = None if tail is None else _move(last, tail)
    _settle(last, again)
    sync(directory)
    return End(sequence, last if sequence == start else None, torn)


def _settle(path: Path, again: int | None) -> None:
    """Waits until a file is on the disk, whose writer may have been killed before it could.

    again: from which byte on it is written once more: what a sync that failed was to write, the kernel takes
    for written.
    """
    with path.open("r+b") as file:
        if again is not None:
            file.seek(again)
            left = memoryview(file.read())
            while left:
                written = os.pwrite(file.fileno(), left, again)
                left, again = left[written:], again + written
        os.fsync(file.fileno())


def corrupt(path: Path, damage: Damage, following: int) -> CorruptJournalError:
    """Returns the error for a file that is damaged in front of valid records, with the way on."""
    size = f"{damage.end - damage.offset:,} bytes are no entries, "
    hint = repair_hint(path, "sets the damaged bytes aside and keeps every other entry")
    message = f"{damage.cause}; {size}{following:,} valid records follow in this file; {hint}"
    return CorruptJournalError(path, damage.offset, message)


def _move(path: Path, tail: Damage) -> TornTail:
    aside = set_aside(path, tail.offset, tail.end)
    os.truncate(path, tail.offset)
    return TornTail(path, tail.offset, tail.end - tail.offset, tail.cause, aside)
