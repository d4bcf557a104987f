"""A way through all records of a journal, file by file, that ends at the first thing that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kuntur.journal.errors import CorruptJournalError
from kuntur.journal.proved.findings import BadEntryError, Finding, written_time
from kuntur.journal.proved.runs import Run, RunReader
from kuntur.journal.records import Damage, JournalFile, first_sequence
from kuntur.journal.sealing import KeyRing
from kuntur.journal.tail import journal_files
from kuntur.transparency.tree.hashing import GONE, Hashes, rows

_MOST_GONE = 1 << 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry's record starts: the name of the file, and the offset in it."""

    file: str
    offset: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Entries one behind the other, of one file: records, or entries that its header counts as lost.

    first: sequence of the first; run: the records, None for lost entries.
    """

    path: Path
    first: int
    count: int
    run: Run | None

    @property
    def next(self) -> int:
        """Sequence behind the last."""
        return self.first + self.count

    def hashes(self, count: int) -> Hashes:
        """Returns the leaf hashes of the first so many entries, uint8 [n, 32]."""
        return rows(GONE * count) if self.run is None else self.run.hashes(0, count)

    def place(self, sequence: int) -> Place:
        """Returns where an entry of the piece starts, or the one behind it."""
        if self.run is None:
            return Place(self.path.name, 0)
        at = sequence - self.first
        return Place(self.path.name, int(self.run.offsets[at]) if at < self.count else self.run.end)

    def bad(self, sequence: int, what: str) -> Finding:
        """Returns a finding about an entry of the piece."""
        written = None if self.run is None else written_time(self.run.payloads[sequence - self.first])
        return Finding(what, self.path, self.place(sequence).offset, sequence, written)


class Walk:
    """The pieces of a journal in order, from an entry on."""

    def __init__(
        self,
        directory: Path,
        start: int,
        place: Place | None = None,
        read: Callable[[int, int], object] = lambda _done, _total: None,
        keys: KeyRing | None = None,
        signed: int = 0,
    ) -> None:
        """Takes a directory and the sequence to begin with.

        place: where that entry starts, where it is known; read: called with the bytes that are done and all;
        keys: of an encrypted journal; signed: entries behind so many that are lost come as one piece, since
        nobody hashes them, and a header may count whatever it likes.
        Raises BadEntryError where the journal begins behind it, OSError.
        """
        files = journal_files(directory)
        if not files:
            raise BadEntryError(Finding("there is no file of a journal", directory))
        self.first = first_sequence(files[0])
        """Sequence with which the journal begins."""
        self.torn: Finding | None = None
        """Bytes behind the last entry that are none; None where there are none."""
        if self.first > start:
            what = (
                f"entries {start:,} to {self.first - 1:,} are not there: the journal begins behind them; if "
                f"they were removed on purpose, begin with --from {self.first}"
            )
            raise BadEntryError(Finding(what, files[0], sequence=start))
        self.start, self._place, self._told, self._keys = start, place, read, keys
        self._signed = signed
        self._files = [path for path, after in zip(files, [*files[1:], None], strict=True)
                       if after is None or first_sequence(after) > start]  # fmt: skip
        self._total = sum(path.stat().st_size for path in self._files)
        self.read = 0
        """Bytes that are done."""
        self.next = self.first
        """Sequence behind the last entry, once all pieces were yielded."""

    def __iter__(self) -> Iterator[Piece]:
        """Yields the pieces. Raises BadEntryError in front of the first thing that is wrong.

        Also OSError, UnknownRevisionError for a file of a later version, JournalKeyError.
        """
        expected = first_sequence(self._files[0])
        for number, path in enumerate(self._files):
            try:
                reader = RunReader(path, self._keys)
            except CorruptJournalError as error:
                raise BadEntryError(Finding(error.message, path, 0, expected)) from error
            try:
                if reader.first != expected:
                    raise BadEntryError(_gap(path, expected, reader.first))
                yield from self._pieces(reader, is_last=number == len(self._files) - 1)
                self.next = expected = reader.sequence
            finally:
                reader.close()

    def _pieces(self, reader: RunReader, *, is_last: bool) -> Iterator[Piece]:
        begun, start = self.read, self.start
        try:
            header = reader.look_for_header()
        except CorruptJournalError as error:
            self._check_end(reader, error.message, is_last=is_last)
            return
        if header is not None:
            first = max(reader.first, start)
            while first < reader.sequence:
                most = _MOST_GONE if first <= self._signed else reader.sequence
                count = min(most, reader.sequence - first)
                yield Piece(reader.path, first, count, None)
                first += count
            place = self._place
            if (
                place is not None
                and place.file == reader.path.name
                and place.offset <= reader.size
                and start >= reader.sequence
            ):
                reader.go_on_at(place.offset, start)
        while len(run := reader.read()):
            piece = _behind(Piece(reader.path, run.first, len(run), run), start)
            if piece.count:
                yield piece
            self.read = begun + run.end
            self._told(self.read, self._total)
        if run.cause:
            self._check_end(reader, run.cause, is_last=is_last)

    def _check_end(self, reader: RunReader, cause: str, *, is_last: bool) -> None:
        """Takes down a torn tail. Raises BadEntryError where bytes are damaged that records follow."""
        finding = _finding(reader, cause)
        if not is_last:
            raise BadEntryError(finding)
        with JournalFile(reader.path, self._keys) as file:
            damages = [item for item in file.items() if isinstance(item, Damage)]
        if any(not damage.is_tail for damage in damages):
            raise BadEntryError(finding)
        self.torn = finding if damages else None


def _behind(piece: Piece, start: int) -> Piece:
    """Returns what of a piece of records is at or behind a sequence."""
    skipped, run = max(0, start - piece.first), piece.run
    if not skipped or run is None:
        return piece
    skipped = min(skipped, piece.count)
    offsets = np.append(run.offsets, run.end)[skipped:-1]
    rest = Run(run.first + skipped, offsets, run.payloads[skipped:], run.end, run.cause)
    return Piece(piece.path, rest.first, len(rest), rest)


def _gap(path: Path, expected: int, found: int) -> Finding:
    if found < expected:
        return Finding(f"the files before it reach to entry {expected - 1:,} already", path, 0, found)
    which = (
        f"entry {expected:,} is" if found == expected + 1 else f"entries {expected:,} to {found - 1:,} are"
    )
    return Finding(f"{which} missing in front of this file", path, 0, expected)


def _finding(reader: RunReader, cause: str) -> Finding:
    """Returns what is wrong where a reader stands, with the time that the entry there tells, if any."""
    payload = reader.peek()
    written = None if payload is None else written_time(payload)
    return Finding(cause, reader.path, reader.at, reader.sequence, written)
