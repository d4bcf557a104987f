"""The circle of entries that processes share: what is in it is whole, or is not there."""

from __future__ import annotations

import errno
import os
import random
import resource
import struct
import subprocess
import threading
from pathlib import Path

import pytest
import structlog

from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.journal.v1 import journal_pb2
from server.journal import Buffer, JournalBufferError
from server.journal.form import FILE_NAME, LEAST_BYTES, SLOTS, Word

_WORDS_BYTES, _CIRCLE = 64 * 8, 4096 + 8 * SLOTS


def entry(content: bytes) -> bytes:
    return entries.admission(RequestKind.BACKFILL, [content])


def put(buffer: Buffer, *contents: bytes) -> list[int]:
    """Writes entries down and returns their sequences."""
    found = []
    for content in contents:
        assert buffer.place(entry(content))
        found.append(buffer.write_down())
    return found


def content(raw: bytes | None) -> bytes | None:
    return None if raw is None else journal_pb2.Entry.FromString(raw).admission.requests[0]


def opened(directory: Path, following: int, *, journal: int = 7, size: int = LEAST_BYTES) -> Buffer:
    return Buffer.open(directory, size, following, journal)


def left(directory: Path, following: int, *contents: bytes) -> None:
    """Leaves a buffer with entries, as a server does that has ended."""
    buffer = opened(directory, following)
    put(buffer, *contents)
    buffer.close()


def change(directory: Path, at: int, raw: bytes) -> None:
    with (directory / FILE_NAME).open("r+b") as file:
        file.seek(at)
        file.write(raw)


@pytest.fixture
def buffer() -> Buffer:
    return Buffer.anonymous(LEAST_BYTES)


def test_an_entry_is_one_once_it_is_written_down_with_its_sequence_in_front(buffer: Buffer) -> None:
    assert buffer.read(0) is None
    assert buffer.place(entry(b"a"))
    assert buffer.next_sequence == 1
    assert buffer.read(1) is None
    assert buffer.place(entry(b"b"))  # over it: whoever placed the other died
    assert buffer.write_down() == 1
    raw = buffer.read(1)
    assert raw is not None
    found = journal_pb2.Entry.FromString(raw)
    assert (found.sequence, found.admission.requests) == (1, [b"b"])
    assert raw.startswith(journal_pb2.Entry(sequence=1).SerializeToString())
    assert buffer.read(0) is buffer.read(2) is buffer.read(-5) is None


def test_a_full_circle_has_no_room_until_entries_are_freed_and_goes_round(buffer: Buffer) -> None:
    chance, kept, number = random.Random(1), {}, 0
    for _ in range(5_000):
        number += 1
        one = chance.randbytes(chance.choice([0, 1, 7, 8, 9, 1_000, 30_000, 200_000]))
        while not buffer.place(entry(one)):
            assert buffer.filled > 0.5
            first = buffer.first_kept
            assert content(buffer.read(first)) == kept.pop(first)
            buffer.free(first + 1)
        kept[buffer.write_down()] = one
    assert [content(raw) for raw in buffer.kept(1 << 62, buffer.first_kept)] == list(kept.values())
    assert buffer.next_sequence == number + 1


def test_an_empty_circle_has_room_for_any_entry_that_is_not_larger(buffer: Buffer) -> None:
    for number, size in enumerate([400_000, 900_000, 300_000, LEAST_BYTES - 64, 5, LEAST_BYTES - 64], 1):
        assert put(buffer, bytes(size)) == [number]
        assert content(buffer.read(number)) == bytes(size)
        assert not buffer.place(entry(bytes(LEAST_BYTES - 64)))
        buffer.free(number + 1)
    with pytest.raises(JournalBufferError, match=r"set a larger journal\.buffer_bytes"):
        buffer.place(entry(bytes(LEAST_BYTES)))


def test_what_lets_something_enter_leaves_half_of_the_room_to_what_has_to_be_said_of_it(
    buffer: Buffer,
) -> None:
    quarter = entry(bytes(LEAST_BYTES // 4))
    assert buffer.place(quarter, last_half=False)
    buffer.write_down()
    assert not buffer.place(quarter, last_half=False)
    for _ in range(2):
        assert buffer.place(quarter)
        buffer.write_down()
    assert not buffer.place(quarter)
    buffer.free(buffer.next_sequence)
    assert buffer.place(entry(bytes(LEAST_BYTES * 3 // 4)), last_half=False)  # never would be room otherwise


def test_so_many_small_entries_are_kept_and_no_more(buffer: Buffer) -> None:
    put(buffer, *[b""] * (SLOTS - 1))
    assert not buffer.place(entry(b""))
    assert buffer.filled == pytest.approx(1, abs=1e-3)
    buffer.free(2)
    assert put(buffer, b"") == [SLOTS]
    assert buffer.read(1) is None


def test_what_is_freed_is_read_until_it_is_written_over(buffer: Buffer) -> None:
    put(buffer, b"a", bytes(500_000))
    buffer.free(3)
    assert content(buffer.read(1)) == b"a"
    put(buffer, bytes(500_000))
    buffer.free(4)
    put(buffer, bytes(500_000))
    assert buffer.read(1) is buffer.read(2) is None


@pytest.mark.parametrize("at", [0, 4, 8, 16, 30])
def test_a_flipped_bit_of_an_entry_is_noticed(buffer: Buffer, at: int) -> None:
    put(buffer, b"a" * 40, b"b")
    byte = os.pread(buffer.fd, 1, _CIRCLE + at)
    os.pwrite(buffer.fd, bytes([byte[0] ^ 64]), _CIRCLE + at)
    assert buffer.read(1) is None
    assert content(buffer.read(2)) == b"b"
    with pytest.raises(JournalBufferError, match="entry 1 of the journal was damaged in its buffer"):
        list(buffer.kept(10, 1))


def test_other_processes_attach_to_what_is_there(buffer: Buffer) -> None:
    put(buffer, b"a")
    other = Buffer.attach(os.dup(buffer.fd))
    put(other, b"b")
    other.unavailable = True
    assert content(buffer.read(2)) == b"b"
    assert (buffer.next_sequence, buffer.unavailable, buffer.journal) == (3, True, other.journal)
    os.pwrite(buffer.fd, b"x", 0)
    with pytest.raises(JournalBufferError, match="damaged: restart the server"):
        Buffer.attach(buffer.fd)


def test_one_that_is_opened_again_keeps_what_the_files_lack(tmp_path: Path) -> None:
    buffer = opened(tmp_path, 1)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    put(buffer, b"a", b"b", b"c")
    buffer.unavailable = True
    buffer.close()
    buffer.close()
    again = opened(tmp_path, 2, journal=8, size=4 * LEAST_BYTES)
    assert (again.journal, again.size, again.unavailable) == (7, 4 * LEAST_BYTES, False)
    assert (again.first_kept, again.next_sequence) == (2, 4)
    assert [content(raw) for raw in again.kept(10, 2)] == [b"b", b"c"]
    assert put(again, b"d") == [4]
    assert [content(raw) for raw in again.kept(10, 2)] == [b"b", b"c", b"d"]


def test_files_that_are_ahead_of_it_or_of_another_time_are_gone_on_with(tmp_path: Path) -> None:
    buffer = opened(tmp_path, 1)
    put(buffer, b"a", b"b", b"c")
    buffer.free(3)
    buffer.close()
    for following in (9, 2, 40):  # behind what was freed there is a gap
        again = opened(tmp_path, following)
        assert (again.first_kept, again.next_sequence) == (following, following)
        assert again.filled == 0
        assert put(again, b"n" * following) == [following]
        assert content(again.read(following)) == b"n" * following
        again.free(following + 1)
        again.close()


def test_a_torn_entry_ends_what_is_kept(tmp_path: Path) -> None:
    left(tmp_path, 1, b"a" * 100, b"b" * 100, b"c" * 100)
    second = struct.unpack_from("<q", (tmp_path / FILE_NAME).read_bytes(), 4096 + 8 * 2)[0]
    change(tmp_path, _CIRCLE + second + 40, bytes(8))
    again = opened(tmp_path, 1)
    assert again.next_sequence == 2
    assert put(again, b"new") == [2]
    assert [content(raw) for raw in again.kept(10, 1)] == [b"a" * 100, b"new"]


def restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the machine be another than the one on which buffers were left."""
    monkeypatch.setattr("server.journal.buffer.boot_number", lambda: 1)


def test_after_a_restart_of_the_machine_all_entries_are_taken_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(tmp_path, 1, b"a" * 100, b"b" * 100, b"c" * 100)
    restarted(monkeypatch)
    again = opened(tmp_path, 2)
    assert [content(raw) for raw in again.kept(10, 2)] == [b"b" * 100, b"c" * 100]
    again.close()
    monkeypatch.setattr("server.journal.buffer.boot_number", lambda: 2)
    third = struct.unpack_from("<q", (tmp_path / FILE_NAME).read_bytes(), 4096 + 8 * 3)[0]
    change(tmp_path, _CIRCLE + third + 40, bytes(8))
    again = opened(tmp_path, 2)
    assert (again.first_kept, again.next_sequence) == (2, 2)
    assert content(again.read(put(again, b"new")[0])) == b"new"


def test_where_the_system_does_not_tell_its_starts_each_may_be_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.journal.buffer.boot_number", lambda: 0)
    left(tmp_path, 1, b"a" * 100, b"b" * 100)
    assert opened(tmp_path, 1).next_sequence == 3
    other = tmp_path / "other"
    other.mkdir()
    left(other, 1, b"a" * 100, b"b" * 100)
    second = struct.unpack_from("<q", (other / FILE_NAME).read_bytes(), 4096 + 8 * 2)[0]
    change(other, _CIRCLE + second + 40, bytes(8))
    with structlog.testing.capture_logs() as logged:
        assert opened(other, 1).next_sequence == 1
    assert [(line["first_entry"], line["last_entry"]) for line in logged] == [(1, 2)]


def test_what_was_placed_and_never_became_an_entry_is_none_after_a_restart_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = opened(tmp_path, 1)
    assert buffer.place(entry(b"never"))
    older = os.pread(buffer.fd, 4096, _CIRCLE)
    put(buffer, b"entry")
    os.pwrite(buffer.fd, older, _CIRCLE)  # as where the page is of another moment than the words
    buffer.close()
    restarted(monkeypatch)
    assert opened(tmp_path, 1).next_sequence == 1


def test_no_entry_that_is_kept_is_written_over_where_its_neighbours_place_is_of_another_moment(
    tmp_path: Path,
) -> None:
    left(tmp_path, 1, b"a", b"b")
    change(tmp_path, 4096 + 8 * 3, bytes(8))
    again = opened(tmp_path, 1)
    put(again, b"c")
    assert [content(raw) for raw in again.kept(10, 1)] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("word", list(Word))
@pytest.mark.parametrize("value", [0, 1, 3, 99, -1, 2**63 - 1])
def test_torn_words_lose_no_more_than_the_files_lack(tmp_path: Path, word: Word, value: int) -> None:
    left(tmp_path, 5, b"a", b"b")
    change(tmp_path, 8 * word, struct.pack("<q", value))
    again = opened(tmp_path, 5)
    assert again.first_kept == 5
    assert 5 <= again.next_sequence <= 7
    assert [content(raw) for raw in again.kept(10, 5)] == [b"a", b"b"][: again.next_sequence - 5]
    assert content(again.read(put(again, b"new")[0])) == b"new"


@pytest.mark.parametrize("length", [0, 20, 4096, _CIRCLE + LEAST_BYTES - 1, _CIRCLE + LEAST_BYTES + 1])
def test_a_file_that_was_never_finished_or_has_another_length_is_made_anew(
    tmp_path: Path, length: int
) -> None:
    left(tmp_path, 1, b"a")
    os.truncate(tmp_path / FILE_NAME, length)
    again = opened(tmp_path, 1, journal=9)
    assert (again.journal, again.next_sequence) == (9, 1)
    put(again, b"b")
    assert content(again.read(1)) == b"b"


def test_nobody_else_opens_it_while_whoever_did_or_a_worker_of_theirs_runs(tmp_path: Path) -> None:
    buffer = opened(tmp_path, 1)
    with pytest.raises(JournalBufferError, match=r"workers of the server that wrote .* still run"):
        opened(tmp_path, 1)
    held = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[buffer.fd])
    worker = Buffer.attach(os.dup(buffer.fd))
    worker.close()
    with pytest.raises(JournalBufferError, match="still run"):
        opened(tmp_path, 1)
    held.communicate()
    buffer.close()
    opened(tmp_path, 1).close()


def test_the_room_on_the_disk_is_taken_at_once(tmp_path: Path) -> None:
    opened(tmp_path, 1)
    assert (tmp_path / FILE_NAME).stat().st_blocks * 512 >= _CIRCLE + LEAST_BYTES


@pytest.mark.parametrize("size", [LEAST_BYTES + 4096, 4 * LEAST_BYTES])
def test_another_size_is_taken_with_the_entries_that_are_there(tmp_path: Path, size: int) -> None:
    left(tmp_path, 5, b"five", b"six", bytes(LEAST_BYTES // 2))
    larger = opened(tmp_path, 6, journal=8, size=size)
    assert (larger.size, larger.journal, larger.first_kept, larger.next_sequence) == (size, 7, 6, 8)
    assert [content(raw) for raw in larger.kept(9, 6)] == [b"six", bytes(LEAST_BYTES // 2)]
    larger.free(8)
    assert put(larger, bytes(size - 100)) == [8]
    with pytest.raises(JournalBufferError, match="still run"):
        opened(tmp_path, 8, size=size)
    larger.close()
    again = opened(tmp_path, 9, size=LEAST_BYTES)
    assert (again.size, again.journal, again.next_sequence) == (LEAST_BYTES, 7, 9)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_size_without_room_for_what_is_there_is_taken_later(tmp_path: Path) -> None:
    large = opened(tmp_path, 1, size=2 * LEAST_BYTES)
    put(large, bytes(LEAST_BYTES), b"two")
    large.close()
    kept = opened(tmp_path, 1)
    assert (kept.size, kept.next_sequence) == (2 * LEAST_BYTES, 3)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    kept.close()
    assert opened(tmp_path, 3).size == LEAST_BYTES


def test_a_larger_size_without_room_on_the_disk_is_refused_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(tmp_path, 1, b"one")

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match=r"make room for .*set a smaller journal\.buffer_bytes"):
            opened(tmp_path, 1, size=2 * LEAST_BYTES)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    again = opened(tmp_path, 1, size=2 * LEAST_BYTES)
    assert content(again.read(1)) == b"one"


def test_a_limit_on_the_size_of_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    with pytest.raises(OSError, match=rf"{FILE_NAME} may take .*set a smaller journal\.buffer_bytes"):
        opened(tmp_path, 1)
    with pytest.raises(OSError, match=r"the journal's buffer.* may take"):
        Buffer.anonymous(LEAST_BYTES)


def test_threads_that_read_while_one_writes_see_an_entry_whole_or_not_at_all(buffer: Buffer) -> None:
    done, wrong, seen = threading.Event(), [], [0, 0]

    def look(place: int) -> None:
        chance = random.Random(place)
        while not done.is_set():
            sequence = buffer.next_sequence - chance.randrange(1, 60)
            found = content(buffer.read(sequence))
            if found is not None:
                seen[place] += 1
                if found != _made(sequence):
                    wrong.append(sequence)

    readers = [threading.Thread(target=look, args=(place,)) for place in range(2)]
    for reader in readers:
        reader.start()
    sequence = 0
    while min(seen) < 300 or sequence < 3_000:
        while not buffer.place(entry(_made(sequence + 1))):
            buffer.make_room()
        sequence = buffer.write_down()
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def _made(sequence: int) -> bytes:
    return struct.pack("<q", sequence) * (sequence * 7919 % 9_000)
