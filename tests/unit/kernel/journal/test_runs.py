"""Records in bulk are those that are read one by one, up to the first byte that is not as it should be."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from kuntur.journal.errors import CorruptJournalError, UnknownRevisionError
from kuntur.journal.layout import Header
from kuntur.journal.proved import runs
from kuntur.journal.proved.runs import RunReader
from kuntur.journal.records import JournalFile, Record
from kuntur.transparency.tree.hashing import leaf_hash
from tests.support.journals import flip, write_revision_1
from tests.support.signed_journals import SignedJournal, payloads, write_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = SignedJournal(tmp_path)
    journal.grow(300)
    return journal.files[0]


def read(path: Path) -> tuple[list[tuple[int, int, bytes]], str, int]:
    """Returns offset, sequence and payload of each record, and why and where it ended."""
    reader, found = RunReader(path), []
    try:
        while len(run := reader.read()):
            found += zip(
                run.offsets.tolist(), range(run.first, run.first + len(run)), run.payloads, strict=True
            )
        return found, run.cause, reader.at
    finally:
        reader.close()


def one_by_one(path: Path) -> list[tuple[int, int, bytes]]:
    with JournalFile(path) as file:
        found = []
        for item in file.items():
            if not isinstance(item, Record):
                break
            found.append((item.offset, item.sequence, item.payload))
        return found


@pytest.mark.parametrize("window", [200, 1000, 8 << 20])
def test_records_are_those_that_are_read_one_by_one(
    path: Path, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_WINDOW", window)
    found, cause, end = read(path)
    assert found == one_by_one(path)
    assert (cause, end) == ("", path.stat().st_size)


def test_leaves_are_the_hashes_of_the_payloads(path: Path) -> None:
    reader = RunReader(path)
    run = reader.read()
    assert [row.tobytes() for row in run.hashes(7)] == [leaf_hash(each) for each in payloads(path)[7:]]
    reader.close()


def test_files_of_revision_1_are_read(tmp_path: Path) -> None:
    path = write_revision_1(tmp_path, 40, b"one", b"two", b"three")
    found, cause, _ = read(path)
    assert found == one_by_one(path)
    assert [sequence for _, sequence, _ in found] == [40, 41, 42]
    assert not cause


@pytest.mark.parametrize("seed", range(40))
def test_a_run_ends_in_front_of_damage(path: Path, seed: int) -> None:
    whole = one_by_one(path)
    bit = int(np.random.default_rng(seed).integers(32 * 8, path.stat().st_size * 8))
    flip(path, bit)
    found, cause, end = read(path)
    assert found == one_by_one(path) == whole[: len(found)]
    assert cause
    assert end == whole[len(found)][0] <= bit // 8


def test_an_end_within_a_record_is_waited_for(path: Path) -> None:
    content, whole = path.read_bytes(), one_by_one(path)
    path.write_bytes(content[:-3])
    reader = RunReader(path)
    assert len(reader.read()) == 299
    assert reader.read().cause == "the file ends within a record"
    path.write_bytes(content)
    assert list(reader.read().payloads) == [whole[-1][2]]
    assert reader.read().cause == ""
    reader.close()


def test_a_record_of_another_place_ends_a_run(path: Path) -> None:
    records = payloads(path)
    records[10], records[200] = records[200], records[10]
    write_file(path, records)
    found, cause, _ = read(path)
    assert (len(found), cause) == (10, "entry 201 stands where entry 11 belongs")


@pytest.mark.parametrize(
    ("rest", "cause"),
    [
        (bytes(100), "zeros stand where a record belongs"),
        (b"x" * 100, "the head of a record is damaged"),
        (b"x" * 19, "the file ends within a record"),
    ],
)
def test_what_is_no_record_is_told(path: Path, rest: bytes, cause: str) -> None:
    path.write_bytes(path.read_bytes() + rest)
    found, told, _ = read(path)
    assert (len(found), told) == (300, cause)


def test_a_file_is_waited_for_until_it_has_a_header(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(b"")
    reader = RunReader(path)
    assert (len(reader.read()), reader.read().cause) == (0, "")
    path.write_bytes(content[:20])
    assert (len(reader.read()), reader.read().cause) == (0, "no whole header")
    path.write_bytes(content)
    assert len(reader.read()) == 300
    reader.close()


def test_what_cannot_be_read_is_refused(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes(32) + content[32:])
    with pytest.raises(CorruptJournalError, match="no valid header"):
        read(path)
    path.write_bytes(Header(77, 0, bytes(8)).pack())
    raw = bytearray(Header.new().pack())
    raw[8] = 77
    write_checksum(raw)
    path.write_bytes(raw)
    with pytest.raises(UnknownRevisionError, match="later version"):
        read(path)
    folder = tmp_path / "journal-00000000000000000009.kj"
    folder.mkdir()
    with pytest.raises(CorruptJournalError, match="not a regular file"):
        RunReader(folder)


def write_checksum(raw: bytearray) -> None:
    raw[28:32] = zlib.crc32(raw[:28]).to_bytes(4, "little")
