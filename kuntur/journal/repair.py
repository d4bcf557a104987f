"""The repair of a journal: valid entries are kept, damaged bytes set aside, missing entries counted.

A file with damage within is split there. The part behind the damage gets a file of its own, whose header
counts the entries that are lost in front of it, and so a newer revision than 1. Later parts are written first
and the damaged file is cut last: a repair that was cut off is finished by the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from kuntur.journal.aside import replace_whole, set_aside
from kuntur.journal.records import JournalFile, Record, first_sequence
from kuntur.journal.sealing import KeyRing, new_header, packing
from kuntur.journal.tail import file_name, journal_files


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a journal.

    offset, end: bytes that are no entries in their place; none where entries are only missing.
    lost: first and last sequence of the entries that are gone for it; None for none, and for a torn tail, of
    which nobody can say.
    misplaced: valid records in those bytes whose sequence belongs elsewhere.
    torn: whether it is a torn tail, which the server would set aside when it starts.
    aside: where the bytes are now, None where nothing was set aside.
    """

    path: Path
    offset: int
    end: int
    cause: str
    lost: tuple[int, int] | None
    misplaced: int = 0
    torn: bool = False
    aside: Path | None = None

    @property
    def lost_count(self) -> int:
        """Entries that are known to be gone."""
        return 0 if self.lost is None else self.lost[1] - self.lost[0] + 1


@dataclass(slots=True)
class Findings:
    """What was found in one directory of files. lost_before: entries that earlier repairs went on without."""

    directory: Path
    files: int = 0
    entries: int = 0
    lost_before: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Entries that are gone for the faults."""
        return sum(fault.lost_count for fault in self.faults)

    @property
    def damaged_bytes(self) -> int:
        """Bytes that are no entries."""
        return sum(fault.end - fault.offset for fault in self.faults)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong but a torn tail."""
        return all(fault.torn for fault in self.faults)


@dataclass(slots=True)
class _Part:
    """A run of records that are one behind the other, with the entries that are lost in front of it."""

    sequence: int
    lost: int
    begin: int
    end: int

    @property
    def empty(self) -> bool:
        return self.begin == self.end and not self.lost


def examine(directory: Path, keys: KeyRing | None = None) -> Findings:
    """Finds what is wrong with a journal, and changes nothing. Raises OSError, JournalError.

    keys: of the journal, for files that are encrypted.
    """
    return _run(directory, keys, mend=False)


def repair(directory: Path, keys: KeyRing | None = None) -> Findings:
    """Makes a journal whole: afterwards `examine` finds nothing wrong and the same entries.

    Whoever calls holds the writer's lock. Raises OSError; JournalError for what it cannot repair: a name
    without a sequence, a file of a later version, one whose key is missing.
    """
    return _run(directory, keys, mend=True)


def _run(directory: Path, keys: KeyRing | None, *, mend: bool) -> Findings:
    files = journal_files(directory)
    findings = Findings(directory, len(files))
    for path, following in zip(files, [*files[1:], None], strict=False):
        below = None if following is None else first_sequence(following)
        with JournalFile(path, keys) as file:
            parts, faults = _parts(file, below, findings)
            if mend:
                faults = [_set_aside(fault) for fault in faults]
                if faults:
                    _write(file, parts, keys)
        findings.faults += faults
    return findings


def _parts(file: JournalFile, below: int | None, findings: Findings) -> tuple[list[_Part], list[Fault]]:
    """Divides a file into runs of valid records. Tells what is wrong between and behind them."""
    start, lost = 0 if file.header_damage else file.header.size, file.header.lost
    faults: list[Fault] = []
    if below is not None and lost > below - file.first_sequence:
        lost = below - file.first_sequence
        cause = "the header counts more entries as lost than come in front of the next file"
        faults.append(Fault(file.path, 0, 0, cause, None))
    parts = [_Part(file.first_sequence, lost, start, start)]
    findings.lost_before += lost
    expected = file.first_sequence + lost
    fault: Fault | None = None
    for item in file.items(below):
        if isinstance(item, Record):
            if fault is not None:
                faults.append(replace(fault, lost=_range(expected, item.sequence)))
                parts.append(_Part(expected, item.sequence - expected, item.offset, item.offset))
                fault = None
            parts[-1].end = item.end
            expected = item.sequence + 1
            findings.entries += 1
        else:
            fault = Fault(file.path, item.offset, item.end, item.cause, None, item.misplaced)
            fault = replace(fault, torn=item.is_tail and below is None)
    if below is not None and (gap := _range(expected, below)):
        parts.append(_Part(expected, below - expected, file.size, file.size))
        missing = Fault(file.path, file.size, file.size, "entries are missing behind this file", gap)
        fault = replace(fault or missing, lost=gap)
    if fault is not None:
        faults.append(fault)
    return [part for part in parts if not part.empty], faults


def _range(expected: int, found: int) -> tuple[int, int] | None:
    """Returns the first and the last sequence of those that are missing in front of one."""
    return (expected, found - 1) if found > expected else None


def _set_aside(fault: Fault) -> Fault:
    if fault.offset == fault.end:
        return fault
    return replace(fault, aside=set_aside(fault.path, fault.offset, fault.end))


def _write(file: JournalFile, parts: list[_Part], keys: KeyRing | None) -> None:
    """Brings the parts of a damaged file into files of their own, the last one first."""
    for part in reversed(parts):
        begins_as_it_did = part.begin == file.header.size and not file.header_damage
        if begins_as_it_did and (part.sequence, part.lost) == (file.first_sequence, file.header.lost):
            os.truncate(file.path, part.end)
        else:
            replace_whole(file.path.with_name(file_name(part.sequence)), _copied(file, part, keys))
    if not parts:
        os.truncate(file.path, 0)  # its name keeps its place for the next entry


def _copied(file: JournalFile, part: _Part, keys: KeyRing | None) -> Iterator[bytes]:
    """Yields the bytes of a file with the records of a part, encrypted where the damaged file is."""
    header = new_header(keys if file.header.sealed else None, part.lost)
    pack = packing(header, keys)
    yield header.pack()
    for item in file.records(part.begin, part.end):
        yield from pack(item.payload)
