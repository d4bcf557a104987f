"""Which snapshots of a history are kept beside a journal."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import structlog

from kuntur.journal.entries import RequestKind
from kuntur.journal.records import first_sequence
from kuntur.journal.tail import journal_files
from server.host.signals import StopWantedError
from server.journal import JournalWriter, SharedJournal
from server.journal.retention import remove_expired
from server.settings.config import ServerSettings
from server.settings.sections import History, JournalSettings
from server.state import Region
from server.state.rebuild import bring_up_to_date
from server.state.region import region as region_module
from server.state.sizes import sizes_of
from server.state.snapshots import SnapshotFiles, files
from server.state.snapshots.taking import take_snapshot
from tests.support.journaled import READER, SMALL, Journaled, numbered
from tests.support.killed import differing_parts
from tests.support.serving import frame


def snapshot(directory: Path, journal: int, sequence: int) -> Path:
    path = SnapshotFiles(directory).next_place()
    region = Region.open(path, SMALL)
    region.history.belongs_to(journal, sequence)
    region.close()
    return path


def killed(region: Region) -> None:
    """Leaves a region as a process that is killed does: what was written stays, and its lock goes."""
    assert region.fd is not None
    fcntl.flock(region.fd, fcntl.LOCK_UN)


def serve(settings: ServerSettings, region: Region, numbers: Iterable[int]) -> list[str]:
    """Scores transactions as one server after the other does; returns what the start says."""
    directory = settings.journal.path
    assert directory is not None
    writer = JournalWriter.of(directory, settings.journal)
    with structlog.testing.capture_logs() as said:
        bring_up_to_date(region, writer, READER, SnapshotFiles(directory))
    journal = SharedJournal(writer.buffer, directory, None, to_disk=False, on_change=print)
    writer.start()
    history = Journaled(region, journal, begins=False)
    for number in numbers:
        history.ask(RequestKind.SCORE_STREAM, [frame(numbered(number)).SerializeToString()])
        history.answer(0)
    journal.close()
    writer.close()
    return [line["event"] for line in said]


def test_a_second_snapshot_has_what_the_journal_lost_after_the_first_and_without_one_a_start_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.state.snapshots.taking.give_way", lambda: None)  # of this process, for good
    directory = tmp_path / "journal"
    settings = ServerSettings(
        journal=JournalSettings(path=directory, max_file_bytes=1024),
        history=History(
            max_accounts=8, max_merchants=8, max_devices=8, max_categories=8, recent_transactions=16
        ),
    )
    region = Region.create(sizes_of(settings.history))
    serve(settings, region, range(40))
    first = take_snapshot(settings, directory)
    remove_expired(directory, keep_from=first.keep_from, days=1e-9, max_bytes=None, keys=None)
    assert first_sequence(journal_files(directory)[0]) > 1
    serve(settings, region, range(40, 50))
    assert take_snapshot(settings, directory).sequence == 100
    there = SnapshotFiles(directory)
    assert [each.sequence for each in there.all()] == [100, 80]
    from_newest = Region.create(region.sizes)
    assert there.load_newest(from_newest, region.history.journal, 0, 100)
    assert differing_parts(from_newest.history, region.history) == []
    shutil.rmtree(there.folder)
    said = serve(settings, Region.create(region.sizes), [])
    assert sum("lacks what was before" in event for event in said) == 1


def test_snapshots_of_what_a_journal_has_lost_are_removed_before_it_has_other_entries_there(
    tmp_path: Path,
) -> None:
    older, newer = snapshot(tmp_path, 7, 10), snapshot(tmp_path, 7, 20)
    there = SnapshotFiles(tmp_path)
    there.remove_beyond(8, 1)
    there.remove_beyond(7, 20)
    assert [each.path for each in there.all()] == [newer, older]
    there.remove_beyond(7, 19)
    assert [each.path for each in there.all()] == [older]


def test_snapshots_are_removed_from_the_disk_before_the_journal_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot(tmp_path, 7, 20)
    synced: list[tuple[Path, list[Path]]] = []
    monkeypatch.setattr(files, "sync", lambda path: synced.append((path, list(path.iterdir()))))
    SnapshotFiles(tmp_path).remove_beyond(7, 19)
    assert [(path.name, [left.suffix for left in names]) for path, names in synced] == [
        ("snapshots", [".begun"])
    ]


def test_a_snapshot_with_a_flipped_bit_in_the_features_of_a_transaction_is_not_taken_over(
    tmp_path: Path,
) -> None:
    path, region = snapshot(tmp_path, 7, 10), Region.create(SMALL)
    there = SnapshotFiles(tmp_path)
    assert there.load_newest(region, 7, 0, 10)
    with path.open("r+b") as file:
        file.seek(-(1 << 20), 2)
        file.write(b"\1")
    assert not there.load_newest(region, 7, 0, 10)


def test_a_snapshot_is_not_taken_over_while_another_process_may_change_it(tmp_path: Path) -> None:
    path, region, there = snapshot(tmp_path, 7, 10), Region.create(SMALL), SnapshotFiles(tmp_path)
    with path.open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        assert not there.load_newest(region, 7, 0, 10)
    assert there.load_newest(region, 7, 0, 10)


@pytest.mark.parametrize("parts", [0, 1])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_history_that_was_taking_a_snapshot_over_when_its_server_ended_is_empty_when_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int, *, in_order: bool
) -> None:
    snapshot(tmp_path, 7, 10)
    looks = iter([False] * parts + [True])

    def end() -> None:
        if next(looks):
            raise StopWantedError

    path = tmp_path / "history"
    region = Region.open(path, SMALL)
    with monkeypatch.context() as patched:
        patched.setattr(region_module, "end_if_stop_is_wanted", end)
        with pytest.raises(StopWantedError):
            SnapshotFiles(tmp_path).load_newest(region, 7, 0, 10)
    if in_order:
        region.close()
    else:
        killed(region)
    again = Region.open(path, SMALL)
    assert (again.history.journal, again.history.contains) == (0, (0, 0))
    assert again.history.transactions_known() == 0
    assert SnapshotFiles(tmp_path).load_newest(again, 7, 0, 10)
    killed(again)
    assert Region.open(path, SMALL).history.contains == (10, 0)
