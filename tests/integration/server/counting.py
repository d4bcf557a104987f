"""Lets processes count transactions in a shared region and kills them at random: a process of its own.

Run as `python -m tests.integration.server.counting DESCRIPTOR KILLS SEED`. It forks, which is safe only as
long as nothing here has started a thread. One process counts all the time, others beside it, one after the
other, each killed within five milliseconds of its first, as is the one in the end.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np

from kuntur.transaction import TransactionBatch
from server.state import Region, RegionHistory
from tests.contract.history_store import transactions

ACCOUNTS = 5
_LONGEST_S = 0.005


def numbered(numbers: list[int]) -> TransactionBatch:
    """Returns transactions by their numbers, of a few accounts."""
    batch = transactions(numbers)
    batch.keys[:, 1] = 1 + np.array(numbers, dtype=np.uint64) % np.uint64(ACCOUNTS)
    batch.ints[:, 0] = batch.ints[0, 0] + np.array(numbers) % 1_000 * 1_000_000
    return batch


def _counting(descriptor: int, first: int, step: int) -> int:
    """Returns the process id of a child that counts transactions until it is killed, once it does."""
    begun, begins = os.pipe()
    child = os.fork()
    if child == 0:
        store, number = RegionHistory(Region.attach(descriptor)), first
        while True:
            store.score_features(numbered([number, number + step]))
            if number == first:
                os.write(begins, b".")
            number += 2 * step
    os.read(begun, 1)
    os.close(begun)
    os.close(begins)
    return child


def _end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    descriptor, kills, seed = map(int, sys.argv[1:])
    chance = np.random.default_rng(seed)
    RegionHistory(Region.attach(descriptor)).score_features(numbered([1, 2]))  # compiled before they fork
    lasting = _counting(descriptor, 3, 1)
    for kill in range(1, kills + 1):
        victim = _counting(descriptor, kill * 10_000_000, 1)
        time.sleep(float(chance.uniform(0.0, _LONGEST_S)))
        _end(victim)
    _end(lasting)
