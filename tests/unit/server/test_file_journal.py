from __future__ import annotations

import threading
from pathlib import Path

import pytest
import structlog

from kuntur.journal_file import JournalFileWriter, journal_files, read_entries
from server.journal import ExchangeKind, FileJournal, JournalFailedError, NullJournal
from tests.support.journals import write


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


def test_a_journal_that_cannot_be_written_says_so_and_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(JournalFileWriter, "append", full)
    told = threading.Event()
    journal = journal_at(tmp_path, on_failure=told.set)
    journal.append(ExchangeKind.BACKFILL, b"q", b"")
    assert told.wait(30)
    with pytest.raises(JournalFailedError):
        journal.append(ExchangeKind.BACKFILL, b"q", b"")
    journal.close()


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
