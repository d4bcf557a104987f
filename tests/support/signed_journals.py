"""Small journals that are signed as a server's are, and what somebody may do to them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kuntur.journal.file import JournalFileWriter, file_name, journal_files
from kuntur.journal.layout import Header
from kuntur.journal.proved.findings import Report
from kuntur.journal.proved.leaves import JournalLeaves
from kuntur.journal.proved.verifying import Request, verify
from kuntur.journal.records import JournalFile, Record
from kuntur.journal.sealing import KeyRing, write_new_key
from kuntur.journal.v1 import journal_pb2
from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.notes.keys import SigningKey
from kuntur.transparency.signing.checkpointer import Checkpointer, LogPlan
from tests.support.journals import append
from tests.support.transparency import signing_key

KEY = signing_key()
TIME_S = 1_790_000_000


def entries(count: int, seed: int, largest: int = 60) -> list[journal_pb2.Entry]:
    """Returns entries of some bytes each, a second apart."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        one = journal_pb2.Entry(salt=random.bytes(16))
        one.backfill.request = random.bytes(int(random.integers(1, largest)))
        one.written_time.FromSeconds(TIME_S + number)
        found.append(one)
    return found


def payloads(path: Path, keys: KeyRing | None = None) -> list[bytes]:
    """Returns the payloads of the records of a file."""
    with JournalFile(path, keys) as file:
        return [item.payload for item in file.items() if isinstance(item, Record)]


def write_file(path: Path, records: Sequence[bytes]) -> None:
    """Writes a file of a journal with these payloads, in place of one that is there."""
    header = Header.new()
    path.write_bytes(header.pack() + b"".join(header.pack_head(each) + each for each in records))


def renumbered(records: Sequence[bytes], first: int) -> list[bytes]:
    """Returns payloads as those of the entries from a sequence on."""
    found = []
    for sequence, payload in enumerate(records, first):
        one = journal_pb2.Entry.FromString(payload)
        one.sequence = sequence
        found.append(one.SerializeToString())
    return found


@dataclass
class SignedJournal:
    """A journal, its tree below it, and a second place of checkpoints."""

    root: Path
    keys: Sequence[SigningKey] = (KEY,)
    encrypted: bool = False
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory = self.root / "journal"
        self.log = self.directory / "log"
        self.second = self.root / "second"
        for number, key in enumerate(self.keys):
            write_key(self.root / "keys" / f"{number}.key", key)
        self.journal_keys = self.root / "journal keys" if self.encrypted else None
        if self.journal_keys is not None:
            write_new_key(self.journal_keys / "1.key")

    @property
    def ring(self) -> KeyRing | None:
        return None if self.journal_keys is None else KeyRing.read(self.journal_keys)

    @property
    def plan(self) -> LogPlan:
        return LogPlan(self.log, self.root / "keys", (self.second,))

    @property
    def files(self) -> list[Path]:
        return journal_files(self.directory)

    def grow(self, *counts: int, largest: int = 60) -> None:
        """Appends entries, so many to a file each."""
        for count in counts:
            writer = JournalFileWriter(self.directory, keys=self.ring)
            append(writer, entries(count, writer.next_sequence, largest))
            writer.close()

    def sign(self) -> int:
        """Signs all entries as a process would that begins then, and returns how many."""
        leaves = JournalLeaves(self.directory, keys=self.journal_keys)
        checkpointer = Checkpointer(self.plan, leaves, self.told.append)
        try:
            while checkpointer.take():
                pass
            checkpointer.sign()
            return 0 if checkpointer.last is None else checkpointer.last.checkpoint.size
        finally:
            checkpointer.close()
            leaves.close()

    def verify(self, *, second: bool = True, **changes: Any) -> Report:
        """Returns what a verification finds, with the second place unless it is left out."""
        request: dict[str, Any] = {
            "directory": self.directory,
            "keys": [key.verifier for key in self.keys],
            "log": self.log if self.log.is_dir() else None,
            "checkpoints": [self.second] if second else [],
            "journal_keys": self.ring,
        }
        return verify(Request(**(request | changes)))

    def copy(self, to: Path) -> Path:
        """Copies the journal with its tree."""
        return Path(shutil.copytree(self.directory, to))

    def put_back(self, copy: Path) -> None:
        """Puts a copy in the place of the journal."""
        shutil.rmtree(self.directory)
        shutil.copytree(copy, self.directory)

    def remove_entry(self, sequence: int) -> None:
        """Takes one entry out and makes all sequences, checksums and names right again."""
        records = [payload for path in self.files for payload in payloads(path)]
        sizes = [len(payloads(path)) for path in self.files]
        del records[sequence - 1]
        for path in self.files:
            path.unlink()
        first = 1
        for size in sizes:
            part = records[first - 1 : first - 1 + size]
            if part:
                write_file(self.directory / file_name(first), renumbered(part, first))
            first += size
