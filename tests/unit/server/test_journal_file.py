from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from kuntur.journal.v1 import journal_pb2
from kuntur.journal_file import (
    CorruptJournalError,
    JournalFileWriter,
    TornTailError,
    journal_files,
    read_entries,
)

HEADER_BYTES = 16


def entry(text: str) -> journal_pb2.Entry:
    return journal_pb2.Entry(backfill=journal_pb2.Exchange(request=text.encode()))


def write(directory: Path, *texts: str, max_file_bytes: int = 1 << 20) -> None:
    writer = JournalFileWriter(directory, max_file_bytes=max_file_bytes)
    writer.append([entry(text) for text in texts])
    writer.close()


def read(directory: Path, *, allow_torn_tail: bool = False) -> list[tuple[int, str]]:
    entries = read_entries(directory, allow_torn_tail=allow_torn_tail)
    return [(e.sequence, e.backfill.request.decode()) for e in entries]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_entries_come_back_in_order_with_their_sequence(tmp_path: Path) -> None:
    write(tmp_path, "a", "b", "c")
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]


def test_an_empty_directory_is_an_empty_journal(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    assert read(tmp_path / "absent") == []


def test_a_writer_that_opens_again_goes_on_in_a_new_file(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    write(tmp_path, "c")
    assert [path.name for path in journal_files(tmp_path)] == [
        "journal-00000000000000000001.kj",
        "journal-00000000000000000003.kj",
    ]
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]


def test_files_rotate_by_size_without_a_gap(tmp_path: Path) -> None:
    write(tmp_path, *(f"{i:04d}" * 20 for i in range(50)), max_file_bytes=1024)
    assert len(journal_files(tmp_path)) > 3
    assert [sequence for sequence, _ in read(tmp_path)] == list(range(1, 51))
    assert all(path.stat().st_size < 1024 + 128 for path in journal_files(tmp_path))


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_torn_tail_is_told_after_the_entries_before_it(tmp_path: Path, cut: int) -> None:
    write(tmp_path, "a", "bbbb")
    path = journal_files(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-cut])
    entries = read_entries(tmp_path)
    assert next(entries).sequence == 1
    with pytest.raises(TornTailError, match="ends within a record"):
        next(entries)
    assert read(tmp_path, allow_torn_tail=True) == [(1, "a")]


def test_a_tail_of_zeros_is_torn(tmp_path: Path) -> None:
    write(tmp_path, "a")
    with journal_files(tmp_path)[0].open("ab") as file:
        file.write(bytes(100))
    with pytest.raises(TornTailError, match="zeros"):
        read(tmp_path)
    assert read(tmp_path, allow_torn_tail=True) == [(1, "a")]


def test_a_writer_cuts_a_torn_tail_off_and_goes_on(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    path = journal_files(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-3])
    writer = JournalFileWriter(tmp_path)
    assert writer.cut_bytes > 0
    writer.append([entry("c")])
    writer.close()
    assert read(tmp_path) == [(1, "a"), (2, "c")]


def test_a_writer_replaces_a_file_that_ends_within_its_header(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / "journal-00000000000000000002.kj").write_bytes(b"KNTR")
    write(tmp_path, "b")
    assert read(tmp_path) == [(1, "a"), (2, "b")]


def test_a_writer_goes_on_in_a_file_that_holds_no_entry_yet(tmp_path: Path) -> None:
    write(tmp_path, "a")
    empty = tmp_path / "journal-00000000000000000002.kj"
    empty.write_bytes(journal_files(tmp_path)[0].read_bytes()[:HEADER_BYTES])
    write(tmp_path, "b")
    assert read(tmp_path) == [(1, "a"), (2, "b")]


def test_a_journal_has_one_writer_at_a_time(tmp_path: Path) -> None:
    first = JournalFileWriter(tmp_path)
    first.append([entry("a")])
    with pytest.raises(OSError, match="another server writes this journal"):
        JournalFileWriter(tmp_path)
    first.append([entry("b")])
    first.close()
    write(tmp_path, "c")
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_writer_that_could_not_open_leaves_the_directory_to_others(tmp_path: Path) -> None:
    write(tmp_path, "a")
    whole = journal_files(tmp_path)[0].read_bytes()
    flip(journal_files(tmp_path)[0], HEADER_BYTES + 8 + 2)
    with pytest.raises(CorruptJournalError):
        JournalFileWriter(tmp_path)
    journal_files(tmp_path)[0].write_bytes(whole)
    write(tmp_path, "b")
    assert read(tmp_path) == [(1, "a"), (2, "b")]


def test_a_flipped_bit_in_a_record_fails_its_checksum(tmp_path: Path) -> None:
    write(tmp_path, "a", "b", "c")
    flip(journal_files(tmp_path)[0], HEADER_BYTES + 8 + 2)
    with pytest.raises(CorruptJournalError, match=r"byte 16: the record does not have its checksum"):
        read(tmp_path, allow_torn_tail=True)


def test_a_torn_record_in_an_earlier_file_is_corruption(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b")
    first = journal_files(tmp_path)[0]
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(CorruptJournalError):
        read(tmp_path, allow_torn_tail=True)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    for text in "abc":
        write(tmp_path, text)
    journal_files(tmp_path)[1].unlink()
    with pytest.raises(CorruptJournalError, match="entries from 2 on are missing"):
        read(tmp_path)


def test_a_journal_whose_first_files_were_archived_can_be_read(tmp_path: Path) -> None:
    for text in "abc":
        write(tmp_path, text)
    journal_files(tmp_path)[0].unlink()
    assert read(tmp_path) == [(2, "b"), (3, "c")]


@pytest.mark.parametrize(
    ("place", "content", "message"),
    [
        (0, b"XXXX", "no journal file"),
        (8, struct.pack("<I", 9), "version is 9"),
        (16, struct.pack("<I", 1 << 31), "cannot be"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, place: int, content: bytes, message: str) -> None:
    write(tmp_path, "a")
    path = journal_files(tmp_path)[0]
    raw = bytearray(path.read_bytes())
    raw[place : place + len(content)] = content
    path.write_bytes(raw)
    with pytest.raises(CorruptJournalError, match=message):
        read(tmp_path)


def test_a_damaged_journal_is_not_written_on(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    flip(journal_files(tmp_path)[0], HEADER_BYTES + 8 + 2)
    with pytest.raises(CorruptJournalError):
        JournalFileWriter(tmp_path)


def test_files_and_folders_are_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        writer = JournalFileWriter(tmp_path / "journal" / "worker-0")
        writer.append([journal_pb2.Entry()])
        writer.close()
    finally:
        os.umask(before)
    made = list((tmp_path / "journal").rglob("*"))
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in made} == {
        "worker-0": 0o700,
        "writer.lock": 0o600,
        "journal-00000000000000000001.kj": 0o600,
    }
