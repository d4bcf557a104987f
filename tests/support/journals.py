"""Journals for tests: also those of revision 1, which the server wrote in earlier versions."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from kuntur.journal.file import JournalFileWriter, file_name
from kuntur.journal.sealing import JournalKey, KeyRing
from kuntur.journal.v1 import journal_pb2


def entry(request: bytes) -> journal_pb2.Entry:
    return journal_pb2.Entry(backfill=journal_pb2.Exchange(request=request))


def admission(
    kind: int, *requests: bytes, refused: Sequence[int] = (), callers: Sequence[str] = (), time_ns: int = 0
) -> journal_pb2.Entry:
    said = journal_pb2.Admission(requests=requests, refused=refused, callers=callers)
    said.kind = kind  # type: ignore[assignment]
    one = journal_pb2.Entry(admission=said)
    one.written_time.FromNanoseconds(time_ns)
    return one


def answer(to: int, *responses: bytes) -> journal_pb2.Entry:
    return journal_pb2.Entry(answer=journal_pb2.Answer(admission=to, responses=responses))


def append(writer: JournalFileWriter, entries: Iterable[journal_pb2.Entry]) -> None:
    """Gives entries the sequences that are next, and appends them."""
    writer.append(numbered(writer.next_sequence, entries))


def numbered(first: int, entries: Iterable[journal_pb2.Entry]) -> list[bytes]:
    """Serialises entries as those from a sequence on."""
    payloads = []
    for sequence, one in enumerate(entries, first):
        one.sequence = sequence
        payloads.append(one.SerializeToString())
    return payloads


def write(
    directory: Path, *requests: bytes, max_file_bytes: int = 1 << 20, keys: KeyRing | None = None
) -> None:
    """Writes entries with these requests behind those that are there."""
    writer = JournalFileWriter(directory, max_file_bytes=max_file_bytes, keys=keys)
    append(writer, map(entry, requests))
    writer.close()


def key_ring(*names: str) -> KeyRing:
    """Returns keys that are the same each time, of which the last is the newest."""
    keys = [JournalKey.of(name, sha256(name.encode()).digest()) for name in names]
    return KeyRing(Path("keys"), keys, keys[-1])


def write_revision_1(directory: Path, first: int, *requests: bytes) -> Path:
    """Writes one file in the form of earlier versions."""
    directory.mkdir(parents=True, exist_ok=True)
    parts = [struct.pack("<8sII", b"KNTR-JNL", 1, 0)]
    for payload in numbered(first, map(entry, requests)):
        parts += [struct.pack("<II", len(payload), zlib.crc32(payload)), payload]
    path = directory / file_name(first)
    path.write_bytes(b"".join(parts))
    return path


def flip(path: Path, bit: int) -> None:
    """Flips one bit of a file, counted from its start."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
