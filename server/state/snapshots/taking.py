"""Takes one snapshot, in a process of its own: the server does not notice but by the share of a core."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

import structlog

from kuntur.files.paths import sync
from kuntur.files.private import make_private
from kuntur.journal.layout import MAX_SEQUENCE
from kuntur.journal.reading import find_record
from kuntur.journal.workers import read_server_journal
from server.host.scheduling import give_way
from server.journal.encryption import keys_of
from server.journal.form import journal_of
from server.settings.config import ServerSettings
from server.state.region.layout import RegionError
from server.state.region.region import Region
from server.state.replay import Replay
from server.state.sizes import reader_of, sizes_of, zone_of
from server.state.snapshots.files import SnapshotFiles

_LOG = structlog.get_logger(__name__)


class Taken(NamedTuple):
    """What was taken.

    sequence: of the last entry that it contains; keep_from: of the first entry that this snapshot, the one
    before it or an answer that may be given again still needs; seconds: how long it took.
    """

    sequence: int
    keep_from: int
    seconds: float

    def to_line(self) -> str:
        """Returns it as a line of JSON."""
        return json.dumps(self._asdict())


def take_snapshot(settings: ServerSettings, directory: Path) -> Taken:
    """Brings the older snapshot of a journal up to date.

    Raises RegionError, ReplayError, JournalError, OSError.
    """
    began = time.monotonic()
    give_way()
    files, keys = SnapshotFiles(directory), keys_of(settings.journal)
    make_private(files.folder)
    path, journal = files.next_place(), journal_of(directory)
    sizes, zone = sizes_of(settings.history), zone_of(settings)
    try:
        region = Region.open(path, sizes, zone)
    except RegionError as error:  # of other sizes or another release, or open when the machine went down
        _LOG.info("a snapshot of the history is begun anew", file=str(path), reason=str(error))
        path.unlink()
        region = Region.open(path, sizes, zone)
    history = region.history
    if history.journal != journal:
        region.clear()
    # One that is begun anew begins with the other: the journal may not have any more what that contains.
    if history.contains[0] == 0 and not files.load_newest(region, journal, 0, MAX_SEQUENCE):
        history.belongs_to(journal, 0)
    first = history.contains[0] + 1
    replay = Replay(
        history,
        zone.offsets,
        reader_of(settings),
        lambda sequence: find_record(directory, sequence, keys),
        region.mend,
    )
    replay.enter(read_server_journal(directory, first=first, allow_torn_tail=True, keys=keys))
    sequence, needed = history.contains[0], history.oldest_entry()
    region.close()
    sync(files.folder)  # before anything that it contains may be removed from the journal
    others = [snapshot.sequence + 1 for snapshot in files.all() if snapshot.path != path]
    return Taken(sequence, min([sequence + 1, needed, *others]), time.monotonic() - began)
