"""Where the next entry of a journal goes: what its writer has to know and mend before it writes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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


def recover_end(directory: Path, keys: KeyRing | None = None) -> End:
    """Finds the end of a journal; a torn tail is moved from the last file to one beside it.

    Only the last file is looked at. Whoever calls holds the writer's lock. Raises OSError, and
    JournalError when the last file is damaged in front of a valid record: nothing is changed then.
    """
    files = journal_files(directory)
    if not files:
        return End()
    last, tail = files[-1], None
    with JournalFile(last, keys) as file:
        start = sequence = file.first_sequence
        sequence += file.header.lost
        items = file.items()
        for item in items:
            if isinstance(item, Record):
                sequence = item.sequence + 1
            elif item.is_tail:
                tail = item
            else:
                following = item.misplaced + sum(isinstance(other, Record) for other in items)
                raise corrupt(last, item, following)
    torn = None if tail is None else _move(last, tail)
    return End(sequence, last if sequence == start else None, torn)


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
