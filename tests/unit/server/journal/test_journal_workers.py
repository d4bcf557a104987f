from __future__ import annotations

from pathlib import Path

import pytest

from kuntur.journal.file import CorruptJournalError, JournalFileWriter, journal_files
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.workers import journal_parts, read_server_journal
from tests.support.journals import append, flip


def _write(directory: Path, *times_ns: int) -> None:
    writer = JournalFileWriter(directory)
    for time_ns in times_ns:
        entry = journal_pb2.Entry(
            score_transaction=journal_pb2.Exchange(request=f"{directory.name} {time_ns}".encode())
        )
        entry.written_time.FromNanoseconds(time_ns)
        append(writer, [entry])
    writer.close()


def _read(directory: Path) -> list[str]:
    return [entry.score_transaction.request.decode() for entry in read_server_journal(directory)]


def test_entries_of_all_workers_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    _write(journal, 10, 20)
    _write(journal / "worker-0", 30, 60)
    _write(journal / "worker-10", 35)
    _write(journal / "worker-2", 40, 50)
    parts = [path.name for path in journal_parts(journal)]
    assert parts == ["journal", "worker-0", "worker-2", "worker-10"]
    assert _read(journal) == [
        "journal 10", "journal 20", "worker-0 30", "worker-10 35", "worker-2 40", "worker-2 50",
        "worker-0 60",
    ]  # fmt: skip


def test_a_worker_keeps_its_own_order_whatever_its_clock_did(tmp_path: Path) -> None:
    _write(tmp_path / "worker-0", 30, 10)
    _write(tmp_path / "worker-1", 20)
    assert _read(tmp_path) == ["worker-1 20", "worker-0 30", "worker-0 10"]


def test_a_directory_without_a_journal_has_no_entries(tmp_path: Path) -> None:
    assert _read(tmp_path / "none") == []


def test_damage_in_the_journal_of_any_worker_is_told(tmp_path: Path) -> None:
    _write(tmp_path / "worker-0", 10)
    _write(tmp_path / "worker-1", 20, 30)
    (file,) = journal_files(tmp_path / "worker-1")
    flip(file, 8 * 60)
    with pytest.raises(CorruptJournalError):
        _read(tmp_path)
