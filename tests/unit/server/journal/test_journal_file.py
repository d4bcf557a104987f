from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from kuntur.journal.file import (
    CorruptJournalError,
    JournalFileWriter,
    Loss,
    TornTailError,
    UnknownRevisionError,
    journal_files,
    read_entries,
)
from kuntur.journal.records import Damage, JournalFile, Record
from kuntur.journal.repair import repair
from kuntur.journal.v1 import journal_pb2
from tests.support.journals import append, numbered, write_revision_1
from tests.support.journals import write as write_journal

HEADER_BYTES, HEAD_BYTES = 32, 20


def entry(text: str) -> journal_pb2.Entry:
    return journal_pb2.Entry(backfill=journal_pb2.Exchange(request=text.encode()))


def write(directory: Path, *texts: str, max_file_bytes: int = 1 << 20) -> None:
    writer = JournalFileWriter(directory, max_file_bytes=max_file_bytes)
    append(writer, [entry(text) for text in texts])
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


def test_entries_out_of_their_order_are_refused_before_any_is_written(tmp_path: Path) -> None:
    writer = JournalFileWriter(tmp_path)
    append(writer, [entry("a")])
    one, two, three = numbered(2, [entry("b"), entry("c"), entry("d")])
    with pytest.raises(ValueError, match="entry 3 is next, and a payload of entry 4 was given"):
        writer.append([one, three, two])
    with pytest.raises(ValueError, match="a payload without a sequence in front was given"):
        writer.append([entry("b").SerializeToString()])
    writer.append([one, two])
    writer.close()
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


@pytest.mark.parametrize("behind", [b"", bytes(5_000), b"garbage", b"KNTR-JNL"])
def test_a_writer_sets_a_torn_tail_aside_and_goes_on(tmp_path: Path, behind: bytes) -> None:
    write(tmp_path, "a", "b")
    path = journal_files(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] + behind)
    writer = JournalFileWriter(tmp_path)
    assert writer.torn_tail is not None
    offset = writer.torn_tail.offset
    assert writer.torn_tail.aside == tmp_path / f"{path.name}.damaged-at-{offset}"
    assert writer.torn_tail.aside.read_bytes() == (whole[:-3] + behind)[offset:]
    assert writer.torn_tail.aside.stat().st_mode & 0o777 == 0o600
    assert writer.torn_tail.size == len(whole[:-3] + behind) - offset
    append(writer, [entry("c")])
    writer.close()
    assert read(tmp_path) == [(1, "a"), (2, "c")]


def test_a_tail_that_is_set_aside_again_keeps_both(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    path = journal_files(tmp_path)[0]
    whole = path.read_bytes()
    for tail in (whole[:-1], whole[:-2], whole[:-2]):
        path.write_bytes(tail)
        JournalFileWriter(tmp_path).close()
    aside = sorted(tmp_path.glob("*.damaged-at-*"))
    assert [len(each.read_bytes()) for each in aside] == [
        len(whole) - offset_of_last(whole) - n for n in (1, 2)
    ]


def offset_of_last(whole: bytes) -> int:
    return whole.rindex(whole[20:28])  # the marker of the header stands in front of each record


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
    append(first, [entry("a")])
    with pytest.raises(OSError, match="another server writes this journal"):
        JournalFileWriter(tmp_path)
    append(first, [entry("b")])
    first.close()
    write(tmp_path, "c")
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_writer_that_could_not_open_leaves_the_directory_to_others(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    whole = journal_files(tmp_path)[0].read_bytes()
    flip(journal_files(tmp_path)[0], HEADER_BYTES + HEAD_BYTES + 2)
    with pytest.raises(CorruptJournalError):
        JournalFileWriter(tmp_path)
    journal_files(tmp_path)[0].write_bytes(whole)
    write(tmp_path, "c")
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_flipped_bit_in_a_record_fails_its_checksum(tmp_path: Path) -> None:
    write(tmp_path, "a", "b", "c")
    flip(journal_files(tmp_path)[0], HEADER_BYTES + HEAD_BYTES + 2)
    with pytest.raises(CorruptJournalError, match=r"byte 32: a record does not have its checksum"):
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
    with pytest.raises(CorruptJournalError, match="entry 2 is missing in front of this file"):
        read(tmp_path)


def test_a_journal_whose_first_files_were_archived_can_be_read(tmp_path: Path) -> None:
    for text in "abc":
        write(tmp_path, text)
    journal_files(tmp_path)[0].unlink()
    assert read(tmp_path) == [(2, "b"), (3, "c")]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (0, "byte 0: the file has no valid header"),
        (8, "byte 0: the file has no valid header"),
        (HEADER_BYTES + 1, "byte 32: the head of a record is damaged"),
        (HEADER_BYTES + 11, "byte 32: the head of a record is damaged"),
        (HEADER_BYTES + 13, "byte 32: the head of a record is damaged"),
        (HEADER_BYTES + HEAD_BYTES, "byte 32: a record does not have its checksum"),
    ],
)
def test_a_damaged_journal_is_not_written_on_and_the_way_on_is_told(
    tmp_path: Path, place: int, message: str
) -> None:
    write(tmp_path, "a", "b", "c")
    path = journal_files(tmp_path)[0]
    flip(path, place)
    spoilt = path.read_bytes()
    with pytest.raises(CorruptJournalError, match=message) as told:
        JournalFileWriter(tmp_path)
    following = 3 if place < HEADER_BYTES else 2
    assert f"{following} valid records follow in this file" in str(told.value)
    assert f"`kuntur-server journal repair {tmp_path}`" in str(told.value)
    assert str(path) in str(told.value)
    assert [each.name for each in sorted(tmp_path.iterdir())] == [path.name, "writer.lock"]
    assert path.read_bytes() == spoilt
    with pytest.raises(CorruptJournalError, match=message):
        read(tmp_path, allow_torn_tail=True)


def test_a_flipped_length_in_the_last_record_is_a_torn_tail(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    path = journal_files(tmp_path)[0]
    flip(path, offset_of_last(path.read_bytes()) + 9)
    writer = JournalFileWriter(tmp_path)
    assert writer.torn_tail is not None
    assert writer.torn_tail.cause == "the head of a record is damaged"
    assert writer.next_sequence == 2
    writer.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "a")
    path = journal_files(tmp_path)[0]
    raw = bytearray(path.read_bytes())
    raw[8] = 4
    raw[28:32] = zlib.crc32(raw[:28]).to_bytes(4, "little")
    path.write_bytes(raw)
    for opened in (JournalFileWriter, read, repair):
        with pytest.raises(UnknownRevisionError, match=r"revision 4, of a later version of Kuntur"):
            opened(tmp_path)
    assert path.read_bytes() == raw


def test_files_of_revision_1_are_read_and_gone_on_behind(tmp_path: Path) -> None:
    path = write_revision_1(tmp_path, 1, b"a", b"b")
    whole = path.read_bytes()
    assert read(tmp_path) == [(1, "a"), (2, "b")]
    write(tmp_path, "c")
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]
    assert path.read_bytes() == whole


def test_a_flipped_length_in_revision_1_loses_no_record_behind_it(tmp_path: Path) -> None:
    path = write_revision_1(tmp_path, 1, *(b"%d" % number for number in range(3_000)))
    flip(path, 16 + 3)  # the highest byte of the first length: it runs past the end
    with pytest.raises(CorruptJournalError, match="2,999 valid records follow"):
        JournalFileWriter(tmp_path)
    assert [sequence for sequence, _ in read_repaired(tmp_path)] == list(range(2, 3_001))


def read_repaired(directory: Path) -> list[tuple[int, str]]:
    repair(directory)
    return read(directory)


def test_what_a_reader_goes_without_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a", "b", "c", "d")
    path = journal_files(tmp_path)[0]
    flip(path, HEADER_BYTES + HEAD_BYTES)
    repair(tmp_path)
    path = journal_files(tmp_path)[-1]
    path.write_bytes(path.read_bytes()[:-1])
    losses: list[Loss] = []
    list(read_entries(tmp_path, allow_torn_tail=True, lost=losses.append))
    assert [(loss.entries, loss.size > 0) for loss in losses] == [(1, False), (0, True)]
    assert losses[0].told().startswith(f"{path}: 1 entry in front of it is lost")
    assert "are no entries and were not read: the file ends within a record" in losses[1].told()


def test_a_reader_takes_a_file_as_long_as_it_was_when_it_was_opened(tmp_path: Path) -> None:
    write(tmp_path, "a", "b", "c")
    path = journal_files(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: offset_of_last(whole) - 3])  # a server is writing the second entry
    with JournalFile(path) as file:
        path.write_bytes(whole)
        items = list(file.items())
    assert [isinstance(item, Record) for item in items] == [True, False]
    assert isinstance(items[1], Damage)
    assert items[1].is_tail
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]


def test_what_a_caller_sends_never_passes_for_a_record(tmp_path: Path) -> None:
    write_journal(tmp_path / "stranger", b"not sent", b"not sent either")
    planted = journal_files(tmp_path / "stranger")[0].read_bytes()[HEADER_BYTES:]
    write_journal(tmp_path / "journal", planted, b"b")
    flip(journal_files(tmp_path / "journal")[0], HEADER_BYTES + 9)
    assert read_repaired(tmp_path / "journal") == [(2, "b")]


def test_files_and_folders_are_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        writer = JournalFileWriter(tmp_path / "journal" / "worker-0")
        append(writer, [journal_pb2.Entry()])
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


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_named_like_a_file_of_the_journal_and_is_none_is_refused_at_once(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    write(tmp_path, "a")
    make(tmp_path / "journal-00000000000000000002.kj")
    with pytest.raises(CorruptJournalError, match="is not a regular file"):
        read(tmp_path, allow_torn_tail=True)
