"""What a journal's writer does when the disk is full, fails, or loses the directory under it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kuntur.journal.file import CorruptJournalError, JournalFileWriter, Loss, journal_files, read_entries
from kuntur.journal.lock import JournalLock
from kuntur.journal.v1 import journal_pb2
from tests.support.journals import append


def entry(text: str) -> journal_pb2.Entry:
    return journal_pb2.Entry(backfill=journal_pb2.Exchange(request=text.encode()))


def read(directory: Path) -> list[tuple[int, str]]:
    return [(e.sequence, e.backfill.request.decode()) for e in read_entries(directory)]


def fails_once(after: int, number: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a system call that fails at its call after so many that succeed, having done half of it."""
    calls = 0

    def call(descriptor: int, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after + 1 and arguments:
            content, offset = arguments
            return real(descriptor, content[: len(content) // 2], offset)
        if calls == after + (2 if arguments else 1):
            raise OSError(number, os.strerror(number))
        return real(descriptor, *arguments)

    return call


def test_a_write_that_fails_halfway_leaves_whole_entries_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalFileWriter(tmp_path)
    append(writer, [entry("a")])
    entries = [entry("b"), entry("c")]
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", fails_once(0, errno.ENOSPC, os.pwrite))
        with pytest.raises(OSError, match=r"No space left on device: '.*journal-0+1\.kj'"):
            append(writer, entries)
    assert writer.next_sequence == 2
    assert read(tmp_path) == [(1, "a")]
    append(writer, entries)
    writer.close()
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]


def test_what_a_failed_sync_may_have_lost_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalFileWriter(tmp_path)
    append(writer, [entry("a")])
    writer.sync()
    append(writer, [entry("b")])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails_once(0, errno.EIO, os.fsync))
        with pytest.raises(OSError, match="Input/output error"):
            writer.sync()
    assert (writer.synced_sequence, writer.next_sequence) == (2, 2)
    assert read(tmp_path) == [(1, "a"), (2, "b")]  # the process may end before it is written again
    assert writer.resume() is None
    append(writer, [entry("b"), entry("c")])
    writer.close()
    assert read(tmp_path) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_new_file_whose_first_entry_fails_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalFileWriter(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", fails_once(0, errno.ENOSPC, os.pwrite))
        with pytest.raises(OSError, match="No space left"):
            append(writer, [entry("a")])
    writer.close()
    assert journal_files(tmp_path) == []


def test_a_directory_that_was_removed_is_noticed_and_the_entries_of_its_last_sync_are_told(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal"
    writer = JournalFileWriter(journal)
    append(writer, [entry("a"), entry("b")])
    writer.sync()
    append(writer, [entry("c")])
    shutil.rmtree(journal)
    with pytest.raises(OSError, match="removed, renamed or replaced"):
        writer.sync()
    with pytest.raises(OSError, match="directory is not there: make it again"):
        writer.resume()
    assert not journal.exists()  # another disk may have been mounted there
    journal.mkdir()
    assert writer.resume() == 2
    assert writer.resume() is None
    append(writer, [entry("c"), entry("d")])
    writer.close()
    assert read(journal) == [(3, "c"), (4, "d")]


def test_a_directory_that_comes_back_is_gone_on_with(tmp_path: Path) -> None:
    journal, away = tmp_path / "journal", tmp_path / "away"
    writer = JournalFileWriter(journal)
    append(writer, [entry("a")])
    journal.rename(away)
    with pytest.raises(OSError, match="removed, renamed or replaced"):
        writer.check_place()
    away.rename(journal)
    assert writer.resume() is None
    append(writer, [entry("b")])
    writer.close()
    assert read(journal) == [(1, "a"), (2, "b")]


def test_what_was_not_synced_when_a_directory_was_renamed_stands_in_one_place_alone(tmp_path: Path) -> None:
    journal, away = tmp_path / "journal", tmp_path / "away"
    writer = JournalFileWriter(journal)
    append(writer, [entry("a")])
    writer.sync()
    append(writer, [entry("b")])
    journal.rename(away)
    journal.mkdir()
    with pytest.raises(OSError, match="removed, renamed or replaced"):
        writer.sync()
    assert writer.resume() == 1
    append(writer, [entry("b")])
    writer.close()
    assert read(away) == [(1, "a")]
    assert read(journal) == [(2, "b")]


def test_a_file_that_was_removed_leaves_a_gap_that_readers_are_told_of(tmp_path: Path) -> None:
    writer = JournalFileWriter(tmp_path)
    append(writer, [entry("a")])
    writer.close()
    writer = JournalFileWriter(tmp_path)
    append(writer, [entry("b")])
    writer.sync()
    journal_files(tmp_path)[1].unlink()
    with pytest.raises(OSError, match=r"journal-0+2\.kj"):
        writer.check_place()
    assert writer.resume() == 1
    append(writer, [entry("c")])
    writer.close()
    lost: list[Loss] = []
    kept = [(e.sequence, e.backfill.request) for e in read_entries(tmp_path, lost=lost.append)]
    assert kept == [(1, b"a"), (3, b"c")]
    assert [loss.entries for loss in lost] == [1]


def test_a_damaged_file_in_a_directory_that_was_replaced_is_not_written_behind(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    writer = JournalFileWriter(journal)
    append(writer, [entry("a")])
    writer.sync()
    shutil.rmtree(journal)
    other = JournalFileWriter(journal)
    append(other, [entry("strange"), entry("strange")])
    other.close()
    (strange,) = journal_files(journal)
    strange.write_bytes(strange.read_bytes().replace(b"strange", b"damaged", 1))
    for _ in range(2):
        with pytest.raises(CorruptJournalError):
            writer.resume()
    strange.unlink()
    assert writer.resume() == 1
    append(writer, [entry("b")])
    writer.close()
    assert read(journal) == [(2, "b")]


def test_a_directory_that_another_server_has_taken_meanwhile_is_its_own(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    writer = JournalFileWriter(journal)
    shutil.rmtree(journal)
    other = JournalFileWriter(journal)
    with pytest.raises(OSError, match="another server writes this journal"):
        writer.resume()
    other.close()
    writer.resume()
    append(writer, [entry("a")])
    writer.close()
    assert read(journal) == [(1, "a")]


def test_writers_of_a_directory_exclude_each_other_and_whoever_repairs_it(tmp_path: Path) -> None:
    writer = JournalFileWriter(tmp_path)
    for another in (JournalFileWriter, JournalLock):
        with pytest.raises(OSError, match="another server writes this journal"):
            another(tmp_path)
    writer.close()
    JournalLock(tmp_path).close()


def test_a_directory_that_vanishes_while_it_is_looked_for_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal"
    writer = JournalFileWriter(journal)
    shutil.rmtree(journal)
    really, asked = Path.is_dir, list[Path]()

    def was_there(path: Path) -> bool:
        asked.append(path)
        return len(asked) == 1 or really(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_dir", was_there)
        with pytest.raises(FileNotFoundError):
            writer.resume()
    assert not journal.exists()


_WRITES_MUCH = """
import resource, sys
from pathlib import Path
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.file import JournalFileWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
writer = JournalFileWriter(Path(sys.argv[1]))
for first in (1, 41):
    entries = [
        journal_pb2.Entry(sequence=sequence, backfill=journal_pb2.Exchange(request=bytes(300)))
        for sequence in range(first, first + 40)
    ]
    writer.append([entry.SerializeToString() for entry in entries])
writer.close()
"""


def test_a_limit_on_the_size_of_files_only_makes_them_smaller(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _WRITES_MUCH, str(tmp_path)], check=True, timeout=120)
    assert [e.sequence for e in read_entries(tmp_path)] == list(range(1, 81))
    assert all(path.stat().st_size <= 2000 for path in journal_files(tmp_path))
