"""`python -m tests.integration.server.workers.sharing`: one of several servers that count in the same Redis.

Each takes its share of the same calls, frames of transactions and reports of outcomes, and tells which commit
each of them was and what came of it.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass

import numpy as np

from kuntur.transaction import OutcomeBatch, TransactionBatch
from server.state import HistorySizes, HistoryStore, Region, RegionHistory
from server.state.redis.history import RedisHistory
from tests.property.histories import HOUR_US, make_history
from tests.support.programs.redis import connected

_ROWS = 1_500
_CALLS_A_ROUND = 6
PATIENT = {"redis__patience_s": 60, "redis__max_tries": 1000, "redis__timeout_s": 30}
"""Settings with which nobody is refused who only was given no processor time."""


@dataclass(frozen=True)
class Counted:
    """A call that was counted: the number of its commit, which one it was, the bytes of its result."""

    commit: int
    call: int
    result: bytes


Call = Callable[[HistoryStore], np.ndarray]


def calls(seed: int) -> list[Call]:
    """Returns calls about few accounts: frames of many sizes, some sent twice, and corrected outcomes."""
    chance = np.random.default_rng(seed)
    batch, outcomes = make_history(_ROWS, seed, days=6, accounts=12, late_share=0.05)
    corrected = OutcomeBatch(
        outcomes.keys,
        outcomes.reported_time_us + chance.integers(0, 30, len(outcomes)) * HOUR_US,
        ~outcomes.is_fraud,
    )
    ends = np.unique(np.minimum(np.cumsum(chance.choice([1, 1, 2, 16, 64], _ROWS)), _ROWS))
    found: list[Call] = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        frame = slice(int(start), int(end))
        found += [_scoring(batch, frame)] * (2 if chance.random() < 0.1 else 1)
        for reports in (outcomes, corrected):
            chosen = chance.integers(0, len(reports), 3)
            found.append(_report(reports.rows(np.isin(np.arange(len(reports)), chosen))))
    return found


def _scoring(batch: TransactionBatch, frame: slice) -> Call:
    def call(store: HistoryStore) -> np.ndarray:
        rows = batch.rows(frame)
        copy = TransactionBatch(rows.keys.copy(), rows.ints.copy(), rows.floats.copy(), {})
        return store.score_features(copy)

    return call


def _report(outcomes: OutcomeBatch) -> Call:
    return lambda store: store.report(outcomes)


def share(store: RedisHistory, made: list[Call], numbers: Iterable[int]) -> Iterator[Counted]:
    """Makes some of the calls."""
    for number in numbers:
        result = made[number](store).tobytes()
        yield Counted(store.latest_commit, number, result)


def rounds(count: int, places: int) -> list[range]:
    """Cuts the numbers of the calls into parts that all servers begin together.

    Else one that had a core first could be done before another has loaded its code.
    """
    size = places * _CALLS_A_ROUND
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def replayed(made: list[Call], counted: list[Counted]) -> list[bytes]:
    """Returns what one server makes of the calls that were counted, in the order of their commits."""
    sizes = HistorySizes(
        accounts=4096, merchants=4096, devices=4096, categories=4096, recent_transactions=1 << 16
    )
    alone = RegionHistory(Region.private(sizes))
    return [made[each.call](alone).tobytes() for each in sorted(counted, key=lambda each: each.commit)]


if __name__ == "__main__":
    url, seed, place, places = sys.argv[1], *map(int, sys.argv[2:])
    store, made = connected(url, **PATIENT), calls(seed)
    told = []
    for numbers in rounds(len(made), places):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        told += [astuple(each) for each in share(store, made, numbers[place::places])]
    sys.stdout.buffer.write(pickle.dumps(told))
