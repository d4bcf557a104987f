"""A server that starts makes its history anew from the newest snapshot and the journal behind it, exactly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kuntur.journal.tail import journal_files
from kuntur.records.seals import seal_of
from server.journal import JournalWriter
from server.state import Region
from server.state.rebuild import bring_up_to_date
from server.state.snapshots import SnapshotFiles
from tests.support.bundles import publish
from tests.support.killed import SIZES, Callers, differing_parts, environment, kill_all, reader
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import stubs_for, transaction, unary, wait_until

_BOOT, _CLOSED, _SEAL = 3, 4, 16  # words of the header of a region


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    publish(tmp_path / "registry", "m-1")
    for name, value in environment(tmp_path / "history").items():
        if not name.endswith("__PATH"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("KUNTUR_SERVER_HISTORY__SNAPSHOT_INTERVAL_S", "0.5")
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__MAX_FILE_BYTES", "20000")
    return ("--registry", str(tmp_path / "registry"), "--journal", str(tmp_path / "journal"))


def brought_up_to_date(journal: Path, folder: Path, *, with_snapshots: bool) -> Region:
    shutil.copytree(journal, folder)
    writer = JournalWriter(folder, buffer_bytes=1 << 20, max_file_bytes=1 << 28, sync_interval_s=1.0)
    region = Region.create(SIZES)
    bring_up_to_date(region, writer, reader(), SnapshotFiles(folder) if with_snapshots else None)
    writer.close()
    return region


def taken(server: ServerProcess) -> int:
    return sum("a snapshot of the history was taken" in line for line in server.lines)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_history_made_from_a_snapshot_is_that_of_the_whole_journal(
    tmp_path: Path, arguments: tuple[str, ...], workers: int
) -> None:
    with Callers(5) as callers, ServerProcess(*arguments, workers=workers) as server:
        callers.address = server.address
        wait_until(lambda: taken(server) >= 3)
        answered = callers.answered()
        wait_until(lambda: callers.answered() > answered + 50)
        callers.__exit__()
        kill_all(server)
    assert callers.wrong == []
    journal = tmp_path / "journal"
    snapshots = SnapshotFiles(journal).all()
    assert [snapshot.sequence > 0 for snapshot in snapshots] == [True, True]
    from_snapshot = brought_up_to_date(journal, tmp_path / "one", with_snapshots=True)
    from_all = brought_up_to_date(journal, tmp_path / "other", with_snapshots=False)
    assert differing_parts(from_snapshot.history, from_all.history) == []
    with Callers(5) as again, ServerProcess(*arguments, workers=workers) as server:
        again.answers.update(callers.answers)
        again.address = server.address
        wait_until(lambda: again.again > 20)
        assert server.wrote("the history is taken over from a snapshot")
        again.__exit__()
        assert server.end(signal.SIGTERM) == 0
    assert again.wrong == []


def test_a_damaged_snapshot_is_left_and_the_older_one_or_the_journal_taken(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with Callers(6) as callers, ServerProcess(*arguments) as server:
        callers.address = server.address
        wait_until(lambda: taken(server) >= 2)
        callers.__exit__()
        assert server.end() == 0
    journal = tmp_path / "journal"
    expected = brought_up_to_date(journal, tmp_path / "whole", with_snapshots=False)
    for number, snapshot in enumerate(SnapshotFiles(journal).all()):
        flip_a_record(snapshot.path)
        found = brought_up_to_date(journal, tmp_path / f"damaged-{number}", with_snapshots=True)
        assert differing_parts(found.history, expected.history) == []


def test_what_snapshots_and_answers_do_not_need_may_be_removed_from_the_journal(
    tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__RETENTION_DAYS", "0.0000001")
    monkeypatch.setenv("KUNTUR_SERVER_HISTORY__RECENT_TRANSACTIONS", "64")
    journal = tmp_path / "journal"
    with Callers(7) as callers, ServerProcess(*arguments) as server:
        callers.address = server.address
        wait_until(lambda: server.wrote("file of the journal removed"))
        callers.__exit__()
        assert server.end() == 0
    assert not journal_files(journal)[0].name.endswith("-00000000000000000001.kj")
    with Callers(8) as callers, ServerProcess(*arguments) as server:
        callers.address = server.address
        wait_until(lambda: callers.answered() > 50)
        callers.__exit__()
        assert server.wrote("the history is taken over from a snapshot")
        assert server.end() == 0


def test_a_snapshot_that_is_taken_does_not_keep_its_server_from_ending() -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as in a server
    try:
        taking = subprocess.Popen([sys.executable, "-m", "server", "snapshot"], stdin=subprocess.PIPE)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    taking.terminate()
    assert taking.wait(400) == -signal.SIGTERM
    assert taking.stdin is not None
    taking.stdin.close()


def flip_a_record(path: Path) -> None:
    """Flips a bit of the first record of an account."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        at = os.lseek(file.fileno(), end // 4, os.SEEK_DATA)
        while True:
            file.seek(at)
            raw = file.read(4096)
            place = next((n for n, byte in enumerate(raw) if byte), None)
            if place is not None:
                break
            at += 4096
        file.seek(at + place)
        file.write(bytes([raw[place] ^ 1]))


def test_a_file_that_was_open_when_the_machine_went_down_is_made_anew_from_the_journal(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "history"
    monkeypatch.setenv("KUNTUR_SERVER_HISTORY__PATH", str(file))
    with ServerProcess(*arguments) as server, stubs_for(server.address) as stubs:
        first = stubs.scoring.ScoreTransaction(unary(transaction("t-1")), timeout=60).score
    words = np.memmap(file, dtype=np.int64, mode="r+")
    words[_BOOT], words[_CLOSED] = 1, 0
    words[_SEAL] = seal_of(words, 0, _SEAL)
    words.flush()
    with ServerProcess(*arguments[:2]) as server:  # nothing to make it from
        assert server.wait() == 2
    assert server.wrote("was open when the machine went down", "move it away")
    with ServerProcess(*arguments) as server, stubs_for(server.address) as stubs:
        again = stubs.scoring.ScoreTransaction(unary(transaction("t-1")), timeout=60).score
        assert again.replayed
        again.replayed = False
        assert again == first
        assert server.end() == 0
    assert server.wrote("was open when the machine went down: it is set aside", f"{file}.interrupted")
    assert (tmp_path / "history.interrupted").exists()
    assert not server.wrote("all histories start afresh")
