"""Processes that are killed over entries of their journal, at any moment: it makes the same history."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from server.journal import Buffer, MemoryJournal
from server.state import HistorySizes, Region
from tests.support.journaled import Journaled, later_features, replayed, words

_KILLS = 40
_SIZES = HistorySizes(accounts=4, merchants=3, devices=3, categories=2, recent_transactions=1 << 17)


@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_killed_the_history_is_that_of_the_journal(seed: int) -> None:
    region, fresh, buffer = Region.create(_SIZES), Region.create(_SIZES), Buffer.anonymous(64 << 20)
    history = Journaled(region, MemoryJournal(buffer))
    assert region.fd is not None
    command = [sys.executable, "-m", "tests.integration.server.workers.journaling"]
    shared = (region.fd, buffer.fd)
    subprocess.run(
        [*command, *map(str, (*shared, _KILLS, seed))],
        pass_fds=shared,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # its threads would be there before it forks
        check=True,
        timeout=400,
    )
    history.store.counts()  # takes the lock of a holder that died, and what it had written down
    written = history.written()
    assert len(written) == buffer.next_sequence - 1 > 10 * _KILLS
    replayed(fresh, buffer.journal, written)
    assert words(fresh) == words(region)
    assert later_features(fresh).tobytes() == later_features(region).tobytes()
    for each in (region, fresh, buffer):
        each.close()
