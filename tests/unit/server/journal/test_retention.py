from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog

from kuntur.journal.file import JournalFileWriter, Loss, file_name, journal_files, read_entries
from kuntur.journal.retention import expire, written_ns
from kuntur.journal.sealing import KeyRing
from kuntur.journal.v1 import journal_pb2
from server.journal.retention import remove_expired
from tests.support.journals import append, flip, key_ring

DAY_NS = 86_400 * 10**9
NOW_NS = 100 * DAY_NS
KEYS = key_ring("1.key")


def write(directory: Path, *days: int, keys: KeyRing | None = None) -> Path:
    """Writes a file with an entry of each day."""
    writer = JournalFileWriter(directory, keys=keys)
    entries = [journal_pb2.Entry(backfill=journal_pb2.Exchange(request=bytes(100))) for _ in days]
    for entry, day in zip(entries, days, strict=True):
        entry.written_time.FromNanoseconds(day * DAY_NS)
    append(writer, entries)
    writer.close()
    return journal_files(directory)[-1]


def names(directory: Path) -> list[str]:
    return [path.name for path in journal_files(directory)]


@pytest.fixture(params=[None, KEYS])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Four files that begin with the entries 1, 3, 5 and 7."""
    for days in ((10, 20), (30, 40), (50, 60), (70, 80)):
        write(tmp_path, *days, keys=request.param)
    return tmp_path


def test_without_a_bound_all_is_kept(journal: Path) -> None:
    assert expire(journal, keep_from=100, now_ns=NOW_NS, keys=KEYS) == []
    assert len(journal_files(journal)) == 4


def test_files_go_whose_last_entry_is_too_old(journal: Path) -> None:
    gone = expire(journal, keep_from=100, days=45, now_ns=NOW_NS, keys=KEYS)
    assert [path.name for path in gone] == [file_name(1), file_name(3)]
    assert names(journal) == [file_name(5), file_name(7)]
    assert [entry.sequence for entry in read_entries(journal, keys=KEYS)] == [5, 6, 7, 8]
    assert expire(journal, keep_from=100, days=45, now_ns=NOW_NS, keys=KEYS) == []


def test_files_go_until_the_others_find_room(journal: Path) -> None:
    size = sum(path.stat().st_size for path in journal_files(journal))
    assert expire(journal, keep_from=100, max_bytes=size, now_ns=NOW_NS, keys=KEYS) == []
    (gone,) = expire(journal, keep_from=100, max_bytes=size - 1, now_ns=NOW_NS, keys=KEYS)
    assert gone.name == file_name(1)
    expire(journal, keep_from=100, max_bytes=1, now_ns=NOW_NS, keys=KEYS)
    assert names(journal) == [file_name(7)]  # it is being written


@pytest.mark.parametrize(("keep_from", "kept"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 5), (8, 7)])
def test_what_a_history_is_made_of_again_is_kept(journal: Path, keep_from: int, kept: int) -> None:
    expire(journal, keep_from=keep_from, days=1, max_bytes=1, now_ns=NOW_NS, keys=KEYS)
    assert names(journal)[0] == file_name(kept)


def test_what_was_set_aside_of_a_file_goes_with_it(journal: Path) -> None:
    aside = journal / f"{file_name(1)}.damaged-at-40"
    aside.write_bytes(b"?")
    assert expire(journal, keep_from=3, days=1, now_ns=NOW_NS, keys=KEYS) == [aside, journal / file_name(1)]
    assert not aside.exists()


def test_files_of_earlier_versions_workers_go_first_and_all_of_them(tmp_path: Path) -> None:
    write(tmp_path / "worker-0", 30)
    write(tmp_path / "worker-0", 50)
    write(tmp_path / "worker-1", 10)
    write(tmp_path, 60)
    write(tmp_path, 70)
    assert expire(tmp_path, keep_from=1, days=1, now_ns=NOW_NS) == []
    gone = expire(tmp_path, keep_from=2, days=45, now_ns=NOW_NS)
    assert [path.relative_to(tmp_path) for path in gone] == [
        Path("worker-1") / file_name(1),
        Path("worker-0") / file_name(1),
        Path("worker-0") / file_name(2),
    ]
    assert names(tmp_path) == [file_name(1), file_name(2)]


def test_a_file_that_cannot_be_read_is_as_old_as_its_last_change(tmp_path: Path) -> None:
    path = write(tmp_path, 10, keys=KEYS)
    os.utime(path, ns=(NOW_NS, 20 * DAY_NS))
    assert written_ns(path, KEYS) == 10 * DAY_NS
    assert written_ns(path, key_ring("2.key")) == 20 * DAY_NS
    path.write_bytes(path.read_bytes()[:50])
    os.utime(path, ns=(NOW_NS, 30 * DAY_NS))
    assert written_ns(path, KEYS) == 30 * DAY_NS


def test_the_last_valid_entry_tells_the_age_of_a_damaged_file(tmp_path: Path) -> None:
    path = write(tmp_path, *range(10, 60))
    flip(path, 8 * (path.stat().st_size - 3))
    assert written_ns(path) == 58 * DAY_NS


def test_a_reader_goes_on_behind_files_that_go_while_it_reads(journal: Path) -> None:
    lost: list[Loss] = []
    entries = read_entries(journal, keys=KEYS, lost=lost.append)
    assert next(entries).sequence == 1
    expire(journal, keep_from=5, days=1, now_ns=NOW_NS, keys=KEYS)
    assert [entry.sequence for entry in entries] == [2, 5, 6, 7, 8]
    assert [(loss.path.name, loss.entries) for loss in lost] == [(file_name(5), 2)]


def test_a_file_that_goes_missing_within_is_no_matter_of_age(journal: Path) -> None:
    entries = read_entries(journal, keys=KEYS)
    next(entries)
    (journal / file_name(3)).unlink()
    with pytest.raises(FileNotFoundError):
        list(entries)


def test_each_removal_is_told_in_the_log(journal: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        gone = remove_expired(journal, keep_from=5, days=1, max_bytes=None, keys=KEYS)
    assert [log["file"] for log in logs] == [str(path) for path in gone]
    assert len(gone) == 2
