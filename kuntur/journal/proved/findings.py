"""What a verification found: what is wrong and where, and what all of it comes to."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.message import DecodeError

from kuntur.journal.v1 import journal_pb2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: with an entry, a file, a checkpoint or a tile.

    file, offset: where; sequence: of the entry; written: when the entry says that it was written. None where
    that does not apply or cannot be told.
    """

    what: str
    file: Path | None = None
    offset: int | None = None
    sequence: int | None = None
    written: str | None = None

    def told(self) -> str:
        """Returns it as a sentence."""
        parts = [
            "" if self.file is None else str(self.file),
            "" if self.offset is None else f"byte {self.offset:,}",
            "" if self.sequence is None else f"entry {self.sequence:,}",
            "" if self.written is None else f"written {self.written}",
        ]
        where = ", ".join(part for part in parts if part)
        return f"{where}: {self.what}" if where else self.what

    def plain(self) -> dict[str, object]:
        """Returns it as JSON has it."""
        return {
            "what": self.what,
            "file": None if self.file is None else str(self.file),
            "offset": self.offset,
            "sequence": self.sequence,
            "written_time": self.written,
        }


class BadEntryError(Exception):
    """An entry that is not as it should be: what follows is not looked at."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.told())
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Vouched:
    """A checkpoint whose signatures hold. signers: names and ids of keys; witnesses: and when they signed."""

    path: Path
    size: int
    root: bytes
    origin: str
    signers: tuple[str, ...]
    witnesses: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> str:
        """Returns it as a sentence."""
        seen = "".join(f", cosigned by {name} on {time}" for name, time in self.witnesses.items())
        return f"{self.path}: {self.size:,} entries, signed by {', '.join(self.signers)}{seen}"

    def plain(self) -> dict[str, object]:
        """Returns it as JSON has it."""
        return {
            "file": str(self.path),
            "entries": self.size,
            "origin": self.origin,
            "signers": list(self.signers),
            "witnesses": dict(self.witnesses),
        }


@dataclass(slots=True)
class Report:
    """What a verification comes to.

    first, last: sequences of the entries that were looked at, last 0 where there was none; signed: entries
    that the newest checkpoint is over; bytes: that were read.
    """

    first: int = 1
    last: int = 0
    signed: int = 0
    bytes: int = 0
    checkpoints: list[Vouched] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def plain(self) -> dict[str, object]:
        """Returns it as JSON has it."""
        return {
            "holds": self.holds,
            "first": self.first,
            "last": self.last,
            "signed": self.signed,
            "bytes": self.bytes,
            "checkpoints": [each.plain() for each in self.checkpoints],
            "findings": [each.plain() for each in self.findings],
            "notes": self.notes,
        }


def first_without_entry(payloads: Sequence[bytes]) -> int | None:
    """Returns which of some records is the first that holds no entry, None where all hold one."""
    try:
        deque(map(journal_pb2.Entry.FromString, payloads), maxlen=0)  # without a step of Python a record
    except DecodeError:
        return next(place for place, payload in enumerate(payloads) if opened(payload) is None)
    return None


def opened(payload: bytes) -> journal_pb2.Entry | None:
    """Returns the entry of a record; None where it holds none."""
    try:
        return journal_pb2.Entry.FromString(payload)
    except DecodeError:
        return None


def written_time(payload: bytes) -> str | None:
    """Returns when the entry of a record says that it was written, None where it cannot be told."""
    entry = opened(payload)
    if entry is None or not entry.HasField("written_time"):
        return None
    try:
        return f"{entry.written_time.ToDatetime(UTC).isoformat(timespec='microseconds')}"
    except ValueError:
        return None


def told_time(seconds: int) -> str:
    """Returns a time in seconds since the epoch for people."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"second {seconds:,}"
