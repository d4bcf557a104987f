"""Lets processes write a journal before a shared history and kills them at random: a process of its own.

Run as `python -m tests.integration.server.workers.journaling REGION BUFFER KILLS SEED`, with descriptors.
It forks, which is safe only as long as nothing here has started a thread. One process works all the time,
others beside it, one after the other, each killed within some milliseconds, as is the one in the end.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np

from kuntur.journal.entries import RequestKind
from server.journal import Buffer, MemoryJournal
from server.journal.form import SLOTS
from server.state import Region
from tests.support.journaled import Journaled, numbered, outcome
from tests.support.serving import frame, unary

_LONGEST_S = 0.008
_MOST_ENTRIES = SLOTS * 3 // 4  # all of them are to be kept


def _work(history: Journaled, number: int) -> None:
    """Asks for scores, of which some others ask for too, and tells what the transactions turned out to be."""
    shared = number % 50 + 1
    history.ask(
        RequestKind.SCORE_STREAM, [frame(*map(numbered, (number, shared, number + 1))).SerializeToString()]
    )
    history.ask(
        RequestKind.SCORE_TRANSACTION, [unary(numbered(n)).SerializeToString() for n in (number + 2, shared)]
    )
    history.answer(number, [0] if number % 7 == 0 else [])
    history.backfill(frame(numbered(number + 3), numbered(shared + 1)).SerializeToString())
    history.answer(0)
    history.report([outcome(n, 100 + number % 90, fraud=n % 3 == 0) for n in (shared, number, number + 3)])


def _working(region: int, buffer: int, first: int) -> int:
    """Returns the process id of a child that works until it is killed, once it does."""
    begun, begins = os.pipe()
    child = os.fork()
    if child == 0:
        journal = MemoryJournal(Buffer.attach(buffer))
        history = Journaled(Region.attach(region), journal, begins=False)
        for number in count(first, 4):
            _work(history, number)
            if number == first:
                os.write(begins, b".")
            while journal.buffer.next_sequence > _MOST_ENTRIES:
                time.sleep(1)
    os.read(begun, 1)
    os.close(begun)
    os.close(begins)
    return child


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    region, buffer, kills, seed = map(int, sys.argv[1:])
    chance = np.random.default_rng(seed)
    journal = MemoryJournal(Buffer.attach(buffer))
    _work(Journaled(Region.attach(region), journal, begins=False), 1)  # compiled before they fork
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    lasting = _working(region, buffer, 101)
    for kill in range(1, kills + 1):
        victim = _working(region, buffer, kill * 100_000)
        time.sleep(float(chance.uniform(0.0, _LONGEST_S)))
        _end(victim)
    _end(lasting)
