"""Which snapshots of a history are kept beside a journal."""

from __future__ import annotations

from pathlib import Path

from server.state import Region
from server.state.snapshots import SnapshotFiles
from tests.support.journaled import SMALL


def snapshot(directory: Path, journal: int, sequence: int) -> Path:
    files = SnapshotFiles(directory)
    path = files.next_place()
    region = Region.open(path, SMALL)
    region.history.belongs_to(journal, sequence)
    region.close()
    return path


def test_snapshots_of_what_a_journal_has_lost_are_removed_before_it_has_other_entries_there(
    tmp_path: Path,
) -> None:
    older, newer = snapshot(tmp_path, 7, 10), snapshot(tmp_path, 7, 20)
    files = SnapshotFiles(tmp_path)
    files.remove_beyond(8, 1)
    files.remove_beyond(7, 20)
    assert [each.path for each in files.all()] == [newer, older]
    files.remove_beyond(7, 19)
    assert [each.path for each in files.all()] == [older]


def test_a_snapshot_with_a_flipped_bit_in_the_features_of_a_transaction_is_not_taken_over(
    tmp_path: Path,
) -> None:
    path, region = snapshot(tmp_path, 7, 10), Region.create(SMALL)
    files = SnapshotFiles(tmp_path)
    assert files.load_newest(region, 7, 0, 10)
    with path.open("r+b") as file:
        file.seek(-(1 << 20), 2)
        file.write(b"\1")
    assert not files.load_newest(region, 7, 0, 10)
