"""The two files of snapshots beside a journal, and which of them a history is made from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import structlog

from kuntur.files.paths import sync
from kuntur.history.serving import C_JOURNAL, C_SEQUENCE
from server.state.region.layout import RegionError
from server.state.region.region import Region, counters_of

_LOG = structlog.get_logger(__name__)
FOLDER = "snapshots"
_NAMES = ("history-0.ks", "history-1.ks")


class Snapshot(NamedTuple):
    """A file as its counters have it. sequence: of the last entry of the journal that it contains."""

    path: Path
    journal: int
    sequence: int


class SnapshotFiles:
    """The snapshots of one journal."""

    def __init__(self, journal: Path) -> None:
        """Takes the directory of the journal."""
        self.folder = journal / FOLDER

    def all(self) -> list[Snapshot]:
        """Returns those that are there, the newest first; one that cannot be read has the sequence -1."""
        found = [_looked_at(path) for name in _NAMES if (path := self.folder / name).exists()]
        return sorted(found, key=lambda snapshot: snapshot.sequence, reverse=True)

    def next_place(self) -> Path:
        """Returns the file to bring up to date: one that is not there, or the older one."""
        for name in _NAMES:
            if not (self.folder / name).exists():
                return self.folder / name
        return self.all()[-1].path

    def remove_beyond(self, journal: int, most: int) -> None:
        """Removes snapshots of a journal that contain more entries than it has. Raises OSError.

        It has lost its end with the power, and will have others there. They are gone from the disk when this
        returns.
        """
        removed = False
        for snapshot in self.all():
            if snapshot.journal == journal and snapshot.sequence > most:
                snapshot.path.unlink()
                removed = True
                _LOG.warning(
                    "a snapshot of the history is removed: it contains entries that the journal has lost",
                    file=str(snapshot.path),
                    entry=snapshot.sequence,
                    last_entry=most,
                )
        if removed:
            sync(self.folder)

    def load_newest(self, region: Region, journal: int, above: int, most: int) -> bool:
        """Has a region take over the newest snapshot of a journal that contains more than `above`.

        One that contains more than `most` is passed over. Returns whether there was one; the region is then
        as it was, or empty where a snapshot turned out to be damaged.
        """
        for snapshot in self.all():
            if snapshot.journal != journal or not above < snapshot.sequence <= most:
                continue
            try:
                region.load(snapshot.path)
            except (RegionError, OSError) as error:
                _LOG.error(
                    "a snapshot of the history cannot be used", file=str(snapshot.path), reason=str(error)
                )
                region.clear()
                continue
            _LOG.info(
                "the history is taken over from a snapshot", file=str(snapshot.path), entry=snapshot.sequence
            )
            return True
        return False


def _looked_at(path: Path) -> Snapshot:
    try:
        counters = counters_of(path)
    except OSError:
        return Snapshot(path, 0, -1)
    return Snapshot(path, int(counters[C_JOURNAL]), int(counters[C_SEQUENCE]))
