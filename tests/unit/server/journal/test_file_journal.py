from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry
from server.journal.metrics import JournalMetrics

from kuntur.journal.file import JournalFileWriter, journal_files, read_entries
from server.journal import ExchangeKind, FileJournal, NullJournal
from tests.support.journals import write
from tests.support.serving import wait_until


def journal_at(path: Path, **changes: object) -> FileJournal:
    settings: dict[str, object] = {"max_queued": 64, "max_file_bytes": 1 << 20, "sync_interval_s": 0.01}
    return FileJournal(path, **(settings | changes))  # type: ignore[arg-type]


def test_closing_writes_everything_that_was_taken(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    for i in range(500):
        journal.append(ExchangeKind.SCORE_STREAM, f"q{i}".encode(), f"a{i}".encode())
    journal.close()
    journal.close()
    found = [(e.score_stream.request, e.score_stream.response) for e in read_entries(tmp_path)]
    assert found == [(f"q{i}".encode(), f"a{i}".encode()) for i in range(500)]


@pytest.mark.parametrize("kind", ExchangeKind)
def test_each_kind_of_exchange_has_its_field(tmp_path: Path, kind: ExchangeKind) -> None:
    journal = journal_at(tmp_path)
    journal.append(kind, b"q", b"a")
    journal.close()
    (entry,) = read_entries(tmp_path)
    assert entry.WhichOneof("exchange") == kind.value
    assert entry.HasField("written_time")


def test_a_full_queue_makes_callers_wait_and_loses_nothing(tmp_path: Path) -> None:
    journal = journal_at(tmp_path, max_queued=1)

    def work() -> None:
        for _ in range(100):
            journal.append(ExchangeKind.BACKFILL, b"q", b"")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert sum(1 for _ in read_entries(tmp_path)) == 400


class Disk:
    """A disk that is full or not, in the way of every write of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self._write = os.pwrite
        monkeypatch.setattr(os, "pwrite", self._pwrite)

    def _pwrite(self, descriptor: int, content: bytes, offset: int) -> int:
        if not self.full:
            return self._write(descriptor, content, offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def requests(path: Path) -> list[bytes]:
    return [entry.backfill.request for entry in read_entries(path)]


def test_what_was_taken_before_a_full_disk_was_noticed_is_written_when_there_is_room(
    tmp_path: Path, disk: Disk
) -> None:
    states: list[bool] = []
    with structlog.testing.capture_logs() as logs:
        journal = journal_at(tmp_path, max_queued=1, on_change=states.append)
        assert journal.unavailable is None
        disk.full = True
        journal.append(ExchangeKind.BACKFILL, b"0", b"")
        wait_until(lambda: journal.unavailable is not None)
        assert journal.unavailable.endswith("No space left on device")
        for i in range(1, 5):  # those that had passed the look at it: none waits, whatever the queue holds
            journal.append(ExchangeKind.BACKFILL, b"%d" % i, b"")
        assert journal.queued == 5
        registry = CollectorRegistry(auto_describe=False)
        registry.register(JournalMetrics(journal))
        assert registry.get_sample_value("kuntur_journal_available") == 0
        assert registry.get_sample_value("kuntur_journal_interruptions_total") == 1
        disk.full = False
        wait_until(lambda: journal.unavailable is None)
        wait_until(lambda: states == [False, True])
        assert registry.get_sample_value("kuntur_journal_available") == 1
        assert requests(tmp_path) == [b"0", b"1", b"2", b"3", b"4"]
        journal.append(ExchangeKind.BACKFILL, b"5", b"")
        journal.close()
    assert requests(tmp_path) == [b"%d" % i for i in range(6)]
    assert journal.interruptions == 1
    assert [log["log_level"] for log in logs] == ["error", "warning"]  # a line for each change of state
    assert logs[1]["entries_kept"] == 5


def test_entries_stand_once_in_many_small_files_whatever_fails_between_them(
    tmp_path: Path, disk: Disk
) -> None:
    journal = journal_at(tmp_path, max_file_bytes=1 << 10, sync_interval_s=60.0)
    sent = [b"%d" % i * 100 for i in range(100)]
    for number, request in enumerate(sent):
        disk.full = number in (30, 60, 99)
        journal.append(ExchangeKind.BACKFILL, request, b"")
        if disk.full:
            wait_until(lambda: journal.unavailable is not None)
            disk.full = False
            wait_until(lambda: journal.unavailable is None)
        elif number % 7 == 0:
            wait_until(lambda: journal.queued == 0)
    journal.close()
    assert requests(tmp_path) == sent
    assert len(journal_files(tmp_path)) > 5


def test_a_caller_that_waits_for_its_turn_is_let_go_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    write = os.pwrite

    def stands_still(descriptor: int, content: bytes, offset: int) -> int:
        if not goes_on.is_set():
            begun.set()
            goes_on.wait()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, content, offset)

    monkeypatch.setattr(os, "pwrite", stands_still)
    journal = journal_at(tmp_path, max_queued=1)
    journal.append(ExchangeKind.BACKFILL, b"0", b"")
    assert begun.wait(60)
    journal.append(ExchangeKind.BACKFILL, b"1", b"")
    waiting = threading.Thread(target=journal.append, args=(ExchangeKind.BACKFILL, b"2", b""))
    waiting.start()
    goes_on.set()
    waiting.join(60)
    assert not waiting.is_alive()
    journal.close()
    assert requests(tmp_path) == [b"0", b"1", b"2"]


def test_a_journal_that_ends_with_a_full_disk_says_how_many_entries_it_lacks(
    tmp_path: Path, disk: Disk
) -> None:
    with structlog.testing.capture_logs() as logs:
        journal = journal_at(tmp_path)
        journal.append(ExchangeKind.BACKFILL, b"0", b"")
        wait_until(lambda: requests(tmp_path) == [b"0"])
        disk.full = True
        for i in range(1, 4):
            journal.append(ExchangeKind.BACKFILL, b"%d" % i, b"")
        journal.close()
    (told,) = [log for log in logs if log["event"].startswith("the journal ends without entries")]
    assert told["entries"] + len(requests(tmp_path)) == 4
    JournalFileWriter(tmp_path).close()  # the directory is left to others


def test_a_journal_without_room_begins_as_unavailable(tmp_path: Path) -> None:
    states: list[bool] = []
    journal = journal_at(tmp_path, min_free_bytes=1 << 60, on_change=states.append)
    assert states == [False]
    assert "journal.min_free_bytes" in str(journal.unavailable)
    journal.close()


def test_a_removed_directory_is_noticed_without_a_call_and_what_is_lost_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with structlog.testing.capture_logs() as logs:
        journal = journal_at(path)
        for i in range(3):
            journal.append(ExchangeKind.BACKFILL, b"%d" % i, b"")
        wait_until(lambda: path.exists() and len(requests(path)) == 3 and not journal.kept)
        shutil.rmtree(path)
        wait_until(lambda: journal.unavailable is not None)
        journal.append(ExchangeKind.BACKFILL, b"3", b"")
        path.mkdir()
        wait_until(lambda: journal.unavailable is None)
        journal.close()
    assert requests(path) == [b"3"]
    assert journal.entries_lost == 3
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
        journal = journal_at(tmp_path)
        journal.append(ExchangeKind.BACKFILL, b"0", b"")
        wait_until(lambda: requests(tmp_path) == [b"0"])
        journal.close()
    assert logs[0]["reason"] == "ValueError"
    assert isinstance(logs[0]["exc_info"], ValueError)


def test_files_that_may_not_hold_the_largest_entry_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    with pytest.raises(OSError, match=r"journal.* may take 32 MiB and a file may have 1\.0 MiB here: raise"):
        journal_at(tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def test_a_torn_tail_is_told_in_the_log_and_counted(tmp_path: Path) -> None:
    write(tmp_path, b"a", b"b")
    (path,) = journal_files(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    with structlog.testing.capture_logs() as logs:
        journal = journal_at(tmp_path)
    journal.close()
    (line,) = logs
    assert line["log_level"] == "warning"
    assert line["event"].startswith("torn tail of the journal set aside")
    assert (line["file"], line["cause"]) == (str(path), "the file ends within a record")
    assert (line["offset"], line["bytes"], line["next_entry"]) == (path.stat().st_size, 24, 2)
    assert journal.set_aside_bytes == len(Path(line["set_aside"]).read_bytes()) == 24


def test_no_journal_takes_everything() -> None:
    journal = NullJournal()
    journal.append(ExchangeKind.BACKFILL, b"q", b"")
    assert journal.queued == 0
    journal.close()
