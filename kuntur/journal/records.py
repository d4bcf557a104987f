"""The records of one journal file, one after the other, also behind damage."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Protocol, Self

from google.protobuf.message import DecodeError

from kuntur.journal.errors import CorruptJournalError, JournalKeyError, UnknownRevisionError
from kuntur.journal.layout import (
    HEAD_BYTES,
    HEADER_BYTES,
    MAX_SEQUENCE,
    REVISION,
    SEALED_HEADER_BYTES,
    SEALED_REVISION,
    Header,
)
from kuntur.journal.sealing import KeyRing, cipher_of
from kuntur.journal.search import Window, marked, payloads, sealed_heads, windows
from kuntur.journal.v1 import journal_pb2

_NEAR_BYTES = 64 << 10  # so near, records are read one after the other
_NOT_OPENED = "a record is not the one that was encrypted"


class _Opener(Protocol):
    """What opens encrypted records."""

    def open(self, head: bytes, nonce: bytes, payload: bytes) -> bytes | None: ...


class _NoKey:
    """Opens none."""

    def open(self, head: bytes, nonce: bytes, payload: bytes) -> None:  # noqa: ARG002
        return None


_NO_KEY = _NoKey()


class Record(NamedTuple):
    """A valid record: where it starts and ends, its payload, the entry in it and the entry's sequence."""

    offset: int
    end: int
    payload: bytes
    entry: journal_pb2.Entry
    sequence: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no records in their place; none, offset = end, where only entries are missing.

    misplaced: valid records among them whose sequence belongs elsewhere; last: whether nothing follows.
    """

    offset: int
    end: int
    cause: str
    misplaced: int
    last: bool

    @property
    def is_tail(self) -> bool:
        """Whether no valid record follows: what a crash within a write leaves."""
        return self.last and not self.misplaced


class JournalFile:
    """One file of a journal, open to read. A context manager that closes it.

    What is appended after it was opened is not looked at, so that a file which is being written has an end.
    """

    def __init__(self, path: Path, keys: KeyRing | None = None) -> None:
        """Opens a file and reads its header. keys: of the journal, for files that are encrypted.

        Raises OSError, CorruptJournalError for a name without a sequence or what is not a regular file,
        UnknownRevisionError, JournalKeyError.
        """
        self.path = path
        self.first_sequence = first_sequence(path)
        self._file = _open_regular(path)
        self._at = 0
        self._keys = keys
        self._cipher: _Opener | None = None
        self.size = os.fstat(self._file.fileno()).st_size
        try:
            found = self._read_header()
            self.header_damage = ""
            """What is wrong with the header; "" for a sound one, and in an empty file."""
            if found is None and self.size:
                short = self.size < HEADER_BYTES
                self.header_damage = (
                    "the file ends within its header" if short else "the file has no valid header"
                )
            self.header = found or self._guess_header() or Header.new()
            """The header; where it is damaged, as far as the records tell."""
            self._cipher = cipher_of(path, self.header, keys)
        except BaseException:
            self.close()
            raise

    def items(self, below: int | None = None, start: Record | None = None) -> Iterator[Record | Damage]:
        """Yields valid records in order, and between them what is damaged or missing.

        below: first sequence of the next file; such entries and later ones are misplaced here; start: the
        record to begin with, by default the first. Sequences grow by one from record to record; a `Damage`
        stands wherever they do not.
        """
        expected = self.first_sequence + self.header.lost
        offset, cause = (0, self.header_damage) if self.header_damage else (self.header.size, "")
        if start is not None:
            expected, offset, cause = start.sequence, start.offset, ""
        while offset < self.size:
            found = cause or self._read(offset)
            cause = ""
            in_reach = below is None or expected < below
            if isinstance(found, Record) and found.sequence == expected and in_reach:
                record = found
            else:
                damage, behind = self._damaged(offset, found, expected, below)
                yield damage
                if behind is None:
                    return
                record = behind
            yield record
            expected, offset = record.sequence + 1, record.end

    def find(self, sequence: int) -> Record | None:
        """Returns the record with a sequence, found by halving the file; None where that does not lead to it.

        It may be there all the same, in a file that is damaged or of revision 1: then `items` has it.
        """
        if self.header_damage or self.header.revision == 1:
            return None
        low, high = self.header.size, self.size
        while high - low > _NEAR_BYTES:
            middle = (low + high) // 2
            record = self._next(middle, 0)
            if record is not None and record.offset < high and record.sequence <= sequence:
                low = record.offset
            else:
                high = middle
        while low < self.size:
            found = self._read(low)
            if isinstance(found, str) or found.sequence > sequence:
                return None
            if found.sequence == sequence:
                return found
            low = found.end
        return None

    def last(self) -> Record | None:
        """Returns the last valid record, found from the end; None where there is none."""
        back = _NEAR_BYTES
        while True:
            start = max(self.header.size, self.size - back)
            last = None
            record = self._next(start, self.first_sequence)
            while record is not None:
                last, record = record, self._next(record.end, self.first_sequence)
            if last is not None or start == self.header.size:
                return last
            back *= 16

    def records(self, begin: int, end: int) -> Iterator[Record]:
        """Yields the records between two offsets that `items` found with nothing wrong between them."""
        while begin < end:
            record = self._read(begin)
            if isinstance(record, str):
                raise CorruptJournalError(self.path, begin, record)
            yield record
            begin = record.end

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_header(self) -> Header | None:
        found = Header.read(self._bytes(0, SEALED_HEADER_BYTES))
        if found is not None and found.revision not in (1, REVISION, SEALED_REVISION):
            message = f"the form of this file is revision {found.revision}, of a later version of Kuntur"
            raise UnknownRevisionError(self.path, 8, f"{message}: use that version to read it")
        return found

    def _damaged(
        self, offset: int, found: Record | str, expected: int, below: int | None
    ) -> tuple[Damage, Record | None]:
        """Returns what is damaged from an offset on, and the first record behind it that is in its place."""
        if isinstance(found, str):
            cause = found
            record = self._next(offset + 1, expected - offset)
        else:
            cause = f"entry {found.sequence:,} stands where entry {expected:,} belongs"
            record = found
        misplaced = 0
        while record is not None and not (
            record.sequence >= expected and (below is None or record.sequence < below)
        ):
            misplaced += 1
            record = self._next(record.end, expected - offset)
        end = self.size if record is None else record.offset
        if end == offset:
            cause = f"entries are missing: {cause}"
        return Damage(offset, end, cause, misplaced, record is None), record

    def _read(self, offset: int) -> Record | str:
        """Returns the record at an offset, or why there is none."""
        header, read = self.header, self._file.read
        if offset != self._at:
            self._file.seek(offset)
        self._at = -1  # until a record is read, it is not known where the file stands
        raw = read(size := header.head_size)
        start = offset + size
        if start > self.size or len(raw) < size:
            return "the file ends within a record"
        head = header.read_head(raw)
        if head is None:
            return "zeros stand where a record belongs" if not any(raw) else "the head of a record is damaged"
        end = start + head.length
        if end > self.size:
            return "the file ends within a record"
        payload: bytes | None = read(head.length)
        if payload is None or zlib.crc32(payload) != head.checksum:
            return "a record does not have its checksum"
        if self._cipher is not None:
            payload = self._cipher.open(raw, head.nonce, payload)
            if payload is None:
                return _NOT_OPENED
        try:
            entry = journal_pb2.Entry.FromString(payload)
        except DecodeError:
            return "a record holds no entry"
        if entry.sequence > MAX_SEQUENCE:
            return "a record holds no entry"
        self._at = end
        return Record(offset, end, payload, entry, entry.sequence)

    def _next(self, start: int, slack: int) -> Record | None:
        """Returns the first valid record from an offset on.

        slack: in a file without markers, by how much a sequence may exceed the offset of its payload.
        Without them, what a caller sent may pass for a record where just the record around it is damaged.
        """
        record = self._read(start)
        if isinstance(record, Record):
            return record
        for offset in self._places(start, slack):
            record = self._read(offset)
            if isinstance(record, Record):
                return record
        return None

    def _places(self, start: int, slack: int) -> Iterator[int]:
        """Yields the offsets at which a record may start."""
        size = self.header.head_size
        for window in self._windows(start + size if self.header.revision == 1 else start):
            if self.header.revision == 1:
                for place, sequence in payloads(window):
                    # Each entry that was lost took a byte at the very least.
                    if sequence <= slack + place:
                        yield place - size
            else:
                yield from marked(window, self.header.marker)

    def _guess_header(self) -> Header | None:
        """Finds out from the first valid record how the records of a file without a header are laid out."""
        locked = False
        for window in self._windows(0):
            for place, header in self._headers(window):
                self.header, self._cipher = header, None
                if header.sealed:
                    self._cipher = _NO_KEY if self._keys is None else cipher_of(self.path, header, self._keys)
                found = self._read(place)
                if isinstance(found, Record):
                    return header
                locked |= header.sealed and found == _NOT_OPENED
        if locked:
            where = "" if self._keys is None else f" of {self._keys.folder}"
            message = f"the file has no valid header, and its records are encrypted with no key{where}"
            raise JournalKeyError(self.path, f"{message}: bring that key, so that nothing of it is lost")
        return None

    def _headers(self, window: Window) -> Iterator[tuple[int, Header]]:
        """Yields where a record may start, and the header of a file with such records."""
        for place, _ in payloads(window):
            head = self._bytes(place - HEAD_BYTES, HEAD_BYTES) if place >= HEAD_BYTES else b""
            plain = Header.of_head(head) if head else None
            for header in (plain, Header(1, 0, b"")):
                if header is not None and place >= header.head_size:
                    yield place - header.head_size, header
        identities = [b""] if self._keys is None else [key.identity for key in self._keys.all()]
        for place, head in sealed_heads(window):
            for identity in identities:
                if sealed := Header.of_sealed_head(head, identity):
                    yield place, sealed

    def _windows(self, start: int) -> Iterator[Window]:
        return windows(self._file.fileno(), start, self.size)

    def _bytes(self, offset: int, length: int) -> bytes:
        """Returns so many bytes, fewer at the end of the file."""
        return os.pread(self._file.fileno(), max(0, min(length, self.size - offset)), offset)


def first_sequence(path: Path) -> int:
    """Returns the sequence of a file's first entry, which its name holds. Raises CorruptJournalError."""
    digits = path.stem.removeprefix("journal-")
    if not digits.isdecimal() or not 0 < int(digits) <= MAX_SEQUENCE:
        raise CorruptJournalError(path, 0, "the name holds no sequence")
    return int(digits)


def _open_regular(path: Path) -> BinaryIO:
    """Opens a file to read, without waiting where it is a pipe. Raises OSError, CorruptJournalError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CorruptJournalError(path, 0, "is not a regular file")
    return os.fdopen(descriptor, "rb")
