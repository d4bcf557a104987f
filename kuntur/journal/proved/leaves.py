"""The leaf hashes of a journal, as the process that signs takes them, while the journal is written.

The leaf of entry n, at index n - 1, is that of its record's payload. Entries that the journal does not have
and says so, as the header of a file behind a repair does, or retention by beginning later, have the leaf of
the empty record, which no entry is.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kuntur.files.paths import sync
from kuntur.files.private import is_at
from kuntur.journal.errors import JournalError, repair_hint
from kuntur.journal.proved.runs import Run, RunReader
from kuntur.journal.records import first_sequence
from kuntur.journal.sealing import KeyRing
from kuntur.journal.tail import journal_files
from kuntur.transparency.errors import InconsistentLogError
from kuntur.transparency.tree.hashing import GONE, HASH_BYTES, Hashes, rows

_MOST_GONE = 1 << 16  # leaves that are returned at a time
_PATIENCE_S = 10.0  # for bytes at the end that are no whole record: one that is being written soon is
_NONE = np.zeros((0, HASH_BYTES), dtype=np.uint8)


class JournalLeaves:
    """Leaf hashes of a journal from an index on, those alone that are on the disk for good.

    Called with an index it returns as many as are at hand; one behind the other costs no searching. Raises
    InconsistentLogError for a journal in which entries are missing or damaged in front of others, OSError.
    """

    def __init__(
        self,
        directory: Path,
        synced: Callable[[], int | None] = lambda: None,
        keys: Path | None = None,
    ) -> None:
        """Takes the directory of a journal, which may be written meanwhile.

        synced: returns the sequence of the last entry that is on the disk, None where nobody says so: whole
        records are then waited for until they are there; keys: folder of the keys of an encrypted
        journal, read for each file, since they may be replaced.
        """
        self._directory, self._synced, self._keys = directory, synced, keys
        self._reader: RunReader | None = None
        self._run: Run | None = None  # the last one that was read of its file
        self._named = False  # whether the name of the file is known to be on the disk
        self._stuck: tuple[Path, int, int] | None = None
        self._stuck_since = 0.0

    def __call__(self, index: int) -> Hashes:
        """Returns leaf hashes from an index on: uint8 [n, 32]."""
        wanted = index + 1
        synced = self._synced()
        most = None if synced is None else synced - index
        if most is not None and most <= 0:
            return _NONE
        try:
            return self._find(wanted, most)
        except JournalError as error:
            raise InconsistentLogError(f"{error}; nothing is signed until that is mended") from error

    def close(self) -> None:
        """Closes the file that is open. Twice is once."""
        if self._reader is not None:
            self._reader.close()
            self._reader = self._run = None

    def _find(self, wanted: int, most: int | None) -> Hashes:
        """Returns the leaf hashes from an entry on, not more than so many; None: of all that are whole."""
        while True:
            reader = self._open_at(wanted)
            if reader is None:
                return _NONE
            if isinstance(reader, int):
                return _gone(reader - wanted, most)
            header = reader.look_for_header()
            if header is not None and wanted < reader.first + header.lost:
                return _gone(reader.first + header.lost - wanted, most)
            run = self._run
            if run is None or wanted >= reader.sequence:
                run = self._read(reader)
            if run is None:
                return _NONE
            if run.first <= wanted < reader.sequence:
                start = wanted - run.first
                hashes = run.hashes(start, None if most is None else start + most)
                self._wait_for_disk(reader, is_synced=most is not None)
                return hashes

    def _read(self, reader: RunReader) -> Run | None:
        """Returns the next records, none where it went over to the next file; None where it has to wait."""
        run = reader.read()
        if not len(run):
            following = self._following(reader)
            run = reader.read()  # what was written until the next file was begun
            if not len(run) and following is None:
                self._check_end(reader, run.cause)
                return None
            if not len(run) and following is not None:
                self._go_over(reader, following, run.cause)
                return run
        self._run = run
        return run

    def _open_at(self, wanted: int) -> RunReader | int | None:
        """Returns the file in which an entry is or will be, in front of that entry.

        The sequence of the first entry that there is where that is a later one, None where there is no file.
        """
        reader = self._reader
        if reader is not None and wanted >= reader.first and is_at(reader.descriptor, reader.path):
            behind = reader.first if reader.header is None else reader.first + reader.header.lost
            begin = reader.sequence if self._run is None else self._run.first
            if wanted >= begin or wanted < behind:
                return reader
        self.close()
        files = journal_files(self._directory)
        begun = [path for path in files if first_sequence(path) <= wanted]
        if not begun:
            return first_sequence(files[0]) if files else None
        return self._open(begun[-1])

    def _open(self, path: Path) -> RunReader:
        self.close()
        keys = None if self._keys is None else KeyRing.read(self._keys)
        self._reader, self._named = RunReader(path, keys), False
        return self._reader

    def _following(self, reader: RunReader) -> Path | None:
        """Returns the file behind one, if there is one yet."""
        later = [path for path in journal_files(self._directory) if first_sequence(path) > reader.first]
        return later[0] if later else None

    def _go_over(self, reader: RunReader, following: Path, cause: str) -> None:
        """Goes on in the next file. Raises InconsistentLogError where it does not go on from here."""
        found = first_sequence(following)
        if found == reader.sequence:
            self._open(following)
            return
        hint = repair_hint(following, "says what is lost and goes on without it")
        if found < reader.sequence:
            raise InconsistentLogError(f"{following}: the file before it reaches further already; {hint}")
        raise InconsistentLogError(
            f"{reader.path}, byte {reader.at:,}: {cause or 'it ends there'}, and entries {reader.sequence:,} "
            f"to {found - 1:,} are missing in front of the next file; {hint}"
        )

    def _check_end(self, reader: RunReader, cause: str) -> None:
        """Raises OSError when bytes that are no whole record stay at the end for long."""
        place = reader.path, reader.at, reader.size
        if not cause or place != self._stuck:
            self._stuck, self._stuck_since = place, time.monotonic()
        elif time.monotonic() - self._stuck_since >= _PATIENCE_S:
            what = f"byte {reader.at:,}: {cause}; entries behind it are signed once it is mended"
            raise OSError(errno.EIO, what, str(reader.path))

    def _wait_for_disk(self, reader: RunReader, *, is_synced: bool) -> None:
        """Waits until what was read is on the disk, unless whoever wrote it says so. Raises OSError.

        Once for each file in any case: who writes knows of what an earlier process left there only that it
        is in the file.
        """
        if not (is_synced and self._named):
            os.fdatasync(reader.descriptor)
        if not self._named:
            sync(self._directory)
            self._named = True


def _gone(count: int, most: int | None) -> Hashes:
    """Returns the leaf hashes of entries that the journal does not have."""
    return rows(GONE * min(count, _MOST_GONE, count if most is None else most))
