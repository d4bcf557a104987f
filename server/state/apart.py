"""A history apart from all servers: entries of a journal enter it again, the last to be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np

from kuntur.features import CATALOGUE, FeatureMatrix
from kuntur.history import HistorySizes
from kuntur.history.answers import PLACE, SLOT
from kuntur.journal.v1 import journal_pb2
from kuntur.time_zone import TimeZone
from kuntur.transaction import IntColumn, KeyColumn
from kuntur.wire import Reading, TransactionReader
from server.state.region.region import Region
from server.state.replay import Replay, read_again
from server.state.snapshots import SnapshotFiles


class Readmitted(NamedTuple):
    """An admission that entered again. features: float32 [n, len(CATALOGUE)], of what `reading` has."""

    reading: Reading
    features: FeatureMatrix


class HistoryApart:
    """A history in memory, which nobody else uses; empty. A context manager that gives the memory back."""

    def __init__(self, sizes: HistorySizes, zone: TimeZone, reader: TransactionReader) -> None:
        """Takes what the server had that wrote the journal: sizes, time zone, and what reads requests."""
        self._region = Region.create(sizes, zone)
        self._history, self._reader = self._region.history, reader

    def load(self, snapshots: SnapshotFiles, journal: int, most: int) -> None:
        """Begins with the newest snapshot of a journal that contains no more than so many entries, if any."""
        snapshots.load_newest(self._region, journal, 0, most)

    @property
    def contains(self) -> int:
        """Sequence of the last entry that it contains, 0 where it is empty."""
        return self._history.contains[0]

    def enter(self, entries: Iterable[journal_pb2.Entry]) -> int:
        """Lets entries enter behind those, and returns how many they were. Raises ReplayError."""
        region = self._region
        replay = Replay(self._history, region.zone.offsets, self._reader, lambda _: None, region.mend)
        return replay.enter(entries)

    def readmit(self, entry: journal_pb2.Entry) -> Readmitted:
        """Lets an admission of what was to be scored enter behind them, and returns the features of that.

        A transaction that waited for an answer since an earlier admission has the features that it had then,
        as it had when it was scored. Raises ReplayError.
        """
        admission, history = entry.admission, self._history
        reading = read_again(self._reader, entry.sequence, admission.requests, admission.refused)
        batch, sequence = reading.batch, entry.sequence
        trail = np.zeros((len(batch), 2), dtype=np.int64)
        trail[:, PLACE] = np.arange(len(batch))
        out = np.empty((len(batch), len(CATALOGUE)), dtype=np.float32)
        history.take_transactions(batch, self._region.zone.offsets, out, trail, sequence=sequence, entries=0)
        for row in np.flatnonzero(batch.ints[:, IntColumn.COUNTED] == 0).tolist():
            slot = int(trail[row, SLOT])
            first = history.known_at(slot, int(batch.keys[row, KeyColumn.TRANSACTION])).admission
            if first is not None and first.sequence != sequence:
                features = history.open_features(slot)
                out[row] = out[row] if features is None else features
        return Readmitted(reading, out)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._region.close()
