"""The one writer of a server: what is in the buffer reaches the files, whatever fails between them."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.journal.file import CorruptJournalError, JournalFileWriter, journal_files, read_entries
from kuntur.journal.v1 import journal_pb2
from server.journal import JournalWriter
from server.journal.form import FILE_NAME
from server.telemetry.journal import JournalMetrics
from tests.support.journals import flip, write
from tests.support.serving import wait_until


def writer_at(path: Path, *, start: bool = True, **changes: Any) -> JournalWriter:
    settings = {"buffer_bytes": 1 << 20, "max_file_bytes": 1 << 20, "sync_interval_s": 0.01}
    writer = JournalWriter(path, **(settings | changes))
    if start:
        writer.start()
    return writer


def put(writer: JournalWriter, *contents: bytes) -> None:
    """Writes entries down, as soon as there is room."""
    for content in contents:
        one = entries.admission(RequestKind.BACKFILL, [content])
        wait_until(lambda one=one: writer.buffer.place(one))
        writer.buffer.write_down()


def content(entry: journal_pb2.Entry) -> bytes:
    return entry.admission.requests[0]


def contents(path: Path) -> list[bytes]:
    return [content(entry) for entry in read_entries(path, allow_torn_tail=True)]


class Disk:
    """A disk that is full or not, or fails to sync, in the way of every write of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = self.fails = False
        self._write, self._sync = os.pwrite, os.fsync
        monkeypatch.setattr(os, "pwrite", self._pwrite)
        monkeypatch.setattr(os, "fsync", self._fsync)

    def _pwrite(self, descriptor: int, content: bytes, offset: int) -> int:
        if not self.full:
            return self._write(descriptor, content, offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _fsync(self, descriptor: int) -> None:
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._sync(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("at_once", [False, True])
def test_all_that_is_in_the_buffer_is_synced_and_freed_by_itself(tmp_path: Path, at_once: bool) -> None:
    writer = writer_at(tmp_path, at_once=at_once, sync_interval_s=3600.0 if at_once else 0.01)
    put(writer, *(b"%d" % i for i in range(500)))
    wait_until(lambda: writer.buffer.queued == 0)
    assert contents(tmp_path) == [b"%d" % i for i in range(500)]
    assert writer.buffer.first_kept == 501
    writer.close()
    assert [entry.sequence for entry in read_entries(tmp_path)] == list(range(1, 501))


def test_a_buffer_that_fills_is_synced_before_its_time(tmp_path: Path) -> None:
    writer = writer_at(tmp_path, sync_interval_s=3600.0)
    put(writer, *[bytes(100_000)] * 30)
    writer.close()
    assert len(contents(tmp_path)) == 30


def test_closing_writes_everything(tmp_path: Path) -> None:
    writer = writer_at(tmp_path, sync_interval_s=3600.0)
    put(writer, b"a", b"b")
    writer.close()
    assert contents(tmp_path) == [b"a", b"b"]
    JournalFileWriter(tmp_path).close()  # the directory is left to others


@pytest.mark.parametrize("fault", ["full", "fails"])
def test_what_was_taken_before_a_full_disk_was_noticed_is_written_when_there_is_room(
    tmp_path: Path, disk: Disk, fault: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        writer = writer_at(tmp_path)
        assert writer.unavailable is None
        setattr(disk, fault, True)
        put(writer, b"0")
        wait_until(lambda: writer.buffer.unavailable)
        assert str(writer.unavailable).endswith(
            "No space left on device" if fault == "full" else "Input/output error"
        )
        put(writer, b"1", b"2", b"3", b"4")
        assert writer.buffer.queued == 5
        registry = CollectorRegistry(auto_describe=False)
        registry.register(JournalMetrics(writer))
        assert registry.get_sample_value("kuntur_journal_available") == 0
        assert registry.get_sample_value("kuntur_journal_interruptions_total") == 1
        setattr(disk, fault, False)
        wait_until(lambda: not writer.buffer.unavailable)
        assert registry.get_sample_value("kuntur_journal_available") == 1
        assert contents(tmp_path) == [b"0", b"1", b"2", b"3", b"4"]
        put(writer, b"5")
        writer.close()
    assert contents(tmp_path) == [b"%d" % i for i in range(6)]
    assert (writer.interruptions, writer.entries_lost) == (1, 0)
    assert [log["log_level"] for log in logs] == ["error", "warning"]  # a line for each change of state
    assert logs[1]["entries_kept"] == 5


def test_entries_stand_once_in_many_small_files_whatever_fails_between_them(
    tmp_path: Path, disk: Disk
) -> None:
    writer = writer_at(tmp_path, max_file_bytes=1 << 10, sync_interval_s=60.0)
    sent = [b"%d" % i * 100 for i in range(100)]
    for number, request in enumerate(sent):
        fault = {30: "full", 60: "fails", 99: "full"}.get(number)
        if fault is not None:
            setattr(disk, fault, True)
        put(writer, request)
        if fault is not None:
            wait_until(lambda: writer.unavailable is not None)
            setattr(disk, fault, False)
            wait_until(lambda: writer.unavailable is None)
    writer.close()
    assert contents(tmp_path) == sent
    assert len(journal_files(tmp_path)) > 5


def test_what_the_files_lack_in_the_end_stays_in_the_buffer_for_the_next_server(
    tmp_path: Path, disk: Disk
) -> None:
    with structlog.testing.capture_logs() as logs:
        writer = writer_at(tmp_path)
        put(writer, b"0")
        wait_until(lambda: writer.buffer.queued == 0)
        disk.full = True
        put(writer, b"1", b"2", b"3")
        writer.close()
    (told,) = [log for log in logs if log["event"].startswith("the journal's files end before entries")]
    assert told["entries"] == 3
    assert contents(tmp_path) == [b"0"]
    disk.full = False
    again = writer_at(tmp_path, start=False)
    assert [content(entry) for entry in again.entries_from(1)] == [b"0", b"1", b"2", b"3"]
    assert [content(entry) for entry in again.entries_from(3)] == [b"2", b"3"]
    assert [again.find(number) for number in (0, 5)] == [None, None]
    assert [content(again.find(number) or journal_pb2.Entry()) for number in (1, 2)] == [b"0", b"1"]
    again.start()
    put(again, b"4")
    again.close()
    assert contents(tmp_path) == [b"0", b"1", b"2", b"3", b"4"]
    assert [entry.sequence for entry in read_entries(tmp_path)] == [1, 2, 3, 4, 5]


def test_a_killed_server_leaves_all_that_it_took_to_the_next(tmp_path: Path) -> None:
    killed = writer_at(tmp_path, start=False)
    put(killed, b"0", b"1")
    killed._writer.close()  # as its end would
    killed.buffer.close()
    again = writer_at(tmp_path)
    put(again, b"2")
    again.close()
    assert contents(tmp_path) == [b"0", b"1", b"2"]
    assert killed.buffer.journal == again.buffer.journal


def test_files_that_reach_further_than_the_buffer_are_gone_on_with(tmp_path: Path) -> None:
    first = writer_at(tmp_path)
    put(first, b"0", b"1")
    shutil.copy(tmp_path / FILE_NAME, tmp_path / "older")
    put(first, b"2")
    first.close()
    (tmp_path / "older").rename(tmp_path / FILE_NAME)
    again = writer_at(tmp_path)
    put(again, b"3")
    again.close()
    assert contents(tmp_path) == [b"0", b"1", b"2", b"3"]


def test_a_journal_without_room_begins_as_unavailable_and_is_written_once_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = os.statvfs(tmp_path)
    room: Sequence[int] = [state.f_bsize, state.f_frsize, 1000, 1000, 10, 0, 0, 0, 0, 255]
    with monkeypatch.context() as full:
        full.setattr(os, "statvfs", lambda _: os.statvfs_result((*room, 0)))
        writer = writer_at(tmp_path, min_free_bytes=1 << 20)
        assert writer.buffer.unavailable
        assert "1.0 MiB (journal.min_free_bytes)" in str(writer.unavailable)
        put(writer, b"0")
        wait_until(lambda: contents(tmp_path) == [b"0"])  # what was taken is written all the same
        assert writer.unavailable is not None
    wait_until(lambda: writer.unavailable is None)
    writer.close()
    assert contents(tmp_path) == [b"0"]


@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_a_directory_that_is_lost_is_noticed_without_a_call_and_what_is_lost_is_told(
    tmp_path: Path, how: str
) -> None:
    path = tmp_path / "journal"
    with structlog.testing.capture_logs() as logs:
        writer = writer_at(path)
        put(writer, b"0", b"1", b"2")
        wait_until(lambda: writer.buffer.queued == 0)
        if how == "removed":
            shutil.rmtree(path)
        else:
            path.rename(tmp_path / "away")
        if how == "replaced":
            path.mkdir()
        wait_until(lambda: writer.interruptions > 0)
        put(writer, b"3")
        path.mkdir(exist_ok=True)
        wait_until(lambda: writer.unavailable is None)
        put(writer, b"4")
        writer.close()
    assert contents(path) == [b"3", b"4"]
    assert [entry.sequence for entry in read_entries(path)] == [4, 5]
    assert writer.entries_lost == 3
    assert [log for log in logs if log.get("entries_of_the_last_file") == 3]


def test_an_unforeseen_fault_of_the_writer_is_told_with_its_traceback_and_got_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = JournalFileWriter.append
    faults = iter([ValueError("odd")])

    def odd(writer: JournalFileWriter, payloads: list[bytes]) -> None:
        for fault in faults:
            raise fault
        append(writer, payloads)

    monkeypatch.setattr(JournalFileWriter, "append", odd)
    with structlog.testing.capture_logs() as logs:
        writer = writer_at(tmp_path)
        put(writer, b"0")
        wait_until(lambda: contents(tmp_path) == [b"0"])
        writer.close()
    assert logs[0]["reason"] == "ValueError"
    assert isinstance(logs[0]["exc_info"], ValueError)


def test_an_entry_that_is_damaged_in_the_buffer_is_told_and_nothing_behind_it_is_written(
    tmp_path: Path,
) -> None:
    writer = writer_at(tmp_path, start=False)
    put(writer, b"0" * 100)
    begin = (tmp_path / FILE_NAME).read_bytes().index(b"0" * 100)
    put(writer, b"1" * 100, b"2")
    flip(tmp_path / FILE_NAME, 8 * (begin + 200))
    with structlog.testing.capture_logs() as logs:
        writer.start()
        wait_until(lambda: writer.unavailable is not None)
        writer.close()
    assert "entry 2 of the journal was damaged in its buffer" in logs[0]["reason"]
    assert contents(tmp_path) in ([], [b"0" * 100])
    again = writer_at(tmp_path)
    put(again, b"new")
    again.close()
    assert contents(tmp_path) == [b"0" * 100, b"new"]


def test_files_that_may_not_hold_the_largest_entry_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    with pytest.raises(OSError, match=r"journal.* may take 32 MiB and a file may have 1\.0 MiB here: raise"):
        writer_at(tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def test_a_buffer_that_cannot_be_made_leaves_the_directory_to_others(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(OSError, match=FILE_NAME):
        writer_at(tmp_path)
    JournalFileWriter(tmp_path).close()


def test_a_torn_tail_is_told_in_the_log_and_counted(tmp_path: Path) -> None:
    write(tmp_path, b"a", b"b")
    (path,) = journal_files(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    with structlog.testing.capture_logs() as logs:
        writer = writer_at(tmp_path)
    writer.close()
    (line,) = logs
    assert line["log_level"] == "warning"
    assert line["event"].startswith("torn tail of the journal set aside")
    assert (line["file"], line["cause"]) == (str(path), "the file ends within a record")
    assert (line["offset"], line["bytes"], line["next_entry"]) == (path.stat().st_size, 24, 2)
    assert writer.set_aside_bytes == len(Path(line["set_aside"]).read_bytes()) == 24


@pytest.mark.parametrize("synced", [0, 1, 2, 3])
def test_valid_records_behind_damage_are_a_torn_tail_unless_they_were_synced_once(
    tmp_path: Path, synced: int
) -> None:
    writer = writer_at(tmp_path, start=False)
    write_behind(writer, b"0", b"1" * 100, b"2")
    writer.buffer.free(1 + synced)
    writer.close()
    (path,) = journal_files(tmp_path)
    place = path.read_bytes().index(b"1" * 100)
    flip(path, 8 * place)
    if synced > 1:
        with pytest.raises(CorruptJournalError, match="1 valid records follow"):
            writer_at(tmp_path)
        return
    again = writer_at(tmp_path)
    assert again.set_aside_bytes > 100
    put(again, b"new")
    again.close()
    assert contents(tmp_path) == [b"0", b"new"]


def write_behind(writer: JournalWriter, *requests: bytes) -> None:
    """Writes entries to the files of a writer, and not into its buffer."""
    for number, request in enumerate(requests, 1):
        one = entries.admission(RequestKind.BACKFILL, [request])
        writer._writer.append([journal_pb2.Entry(sequence=number).SerializeToString() + one])


def test_entries_of_earlier_releases_come_with_the_first(tmp_path: Path) -> None:
    write(tmp_path / "worker-0", b"old")
    writer = writer_at(tmp_path, start=False)
    put(writer, b"new")
    found = list(writer.entries_from(1))
    assert found[0].backfill.request == b"old"
    assert [content(entry) for entry in found[1:]] == [b"new"]
    assert [content(entry) for entry in writer.entries_from(2)] == []
    writer.close()


def test_a_writer_that_stands_still_holds_nobody_up_who_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    sync = os.fsync

    def stands_still(descriptor: int) -> None:
        begun.set()
        goes_on.wait()
        sync(descriptor)

    writer = writer_at(tmp_path, start=False)
    monkeypatch.setattr(os, "fsync", stands_still)
    writer.start()
    put(writer, b"0")
    assert begun.wait(60)
    put(writer, b"1")
    assert [content(journal_pb2.Entry.FromString(raw)) for raw in writer.buffer.kept(9, 1)] == [b"0", b"1"]
    assert writer.buffer.queued == 2
    goes_on.set()
    writer.close()
    assert contents(tmp_path) == [b"0", b"1"]
