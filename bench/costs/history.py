"""What checksums cost a history, and how long its file takes to open: `python -m bench.costs.history`.

The history alone, without gRPC or model, in microseconds a transaction: in private memory, which has no
checksums, and in a region that workers share or that is a file, which has them and an undo log. Each frame
is timed over several rounds and its least time counts, since what disturbs a round only adds. Checksums
cannot be switched off: compare with another version on the same machine, in turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kuntur.transaction import UNSET_INT, FloatColumn, IntColumn, KeyColumn, TransactionBatch
from server.state import HistorySizes, Region, RegionHistory

_TIMED = 20_000
_BEGIN_US = 1_760_000_000_000_000


def transactions(count: int, accounts: int, seed: int) -> TransactionBatch:
    """Makes transactions of accounts, each as probable as any other, in the order of their times."""
    chance = np.random.default_rng(seed)
    keys = np.zeros((count, len(KeyColumn)), dtype=np.uint64)
    keys[:, KeyColumn.TRANSACTION] = chance.integers(1, 2**63, count)
    people = chance.integers(1, 2**63, (3, max(accounts, 100)))
    account = chance.integers(0, accounts, count)
    keys[:, KeyColumn.ACCOUNT] = people[0][account]
    keys[:, KeyColumn.DEVICE] = people[1][account]
    keys[:, KeyColumn.MERCHANT] = people[2][chance.integers(0, max(accounts // 50, 1), count)]
    keys[:, KeyColumn.CATEGORY] = people[2][chance.integers(0, 50, count)]
    ints = np.zeros((count, len(IntColumn)), dtype=np.int64)
    ints[:, IntColumn.EVENT_TIME_US] = _BEGIN_US + 40_000_000 * np.arange(count)
    ints[:, IntColumn.AMOUNT_CENTS] = chance.integers(1, 10**6, count)
    ints[:, IntColumn.BALANCE_CENTS] = ints[:, IntColumn.ACCOUNT_AGE_DAYS] = UNSET_INT
    ints[:, IntColumn.COUNTED] = 1
    floats = np.full((count, len(FloatColumn)), np.nan)
    return TransactionBatch(keys, ints, floats, {})


def least_us(make: Callable[[], Region], batch: TransactionBatch, frame: int, rounds: int) -> float:
    """Returns the microseconds a transaction, of the last _TIMED of a batch in frames of a size."""
    least = np.full(-(-_TIMED // frame), np.inf)
    warm = len(batch) - _TIMED
    for _ in range(rounds):
        region = make()
        history = RegionHistory(region)
        history.backfill(batch.rows(slice(0, warm)))
        for place, first in enumerate(range(warm, len(batch), frame)):
            part = batch.rows(slice(first, first + frame))
            began = time.perf_counter()
            history.score_features(part)
            least[place] = min(least[place], time.perf_counter() - began)
        region.close()
    return float(least.sum()) / _TIMED * 1e6


def opening_s(
    directory: Path, batch: TransactionBatch, sizes: HistorySizes, rounds: int
) -> tuple[float, float]:
    """Returns the GiB that a file of a history takes and the seconds of processor time of its opening."""
    path = directory / "history"
    region = Region.open(path, sizes)
    RegionHistory(region).backfill(batch)
    region.close()
    size = path.stat().st_blocks * 512 / 2**30
    times = []
    for _ in range(rounds):
        began = time.process_time()
        region = Region.open(path, sizes)
        times.append(time.process_time() - began)
        region.close()
    return size, min(times)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--file-accounts", type=int, default=400_000, help="accounts of the file (1 GiB)")
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"), help="where the file is made")  # noqa: S108
    args = parser.parse_args()
    sizes = HistorySizes(2 * args.accounts, args.accounts, 2 * args.accounts, 256, 2**18)
    batch = transactions(4 * _TIMED, args.accounts, 1)
    for name, make in (("private", Region.private), ("shared", Region.create)):
        for frame in (1, 64):
            figure = least_us(lambda make=make: make(sizes), batch, frame, args.rounds)  # type: ignore[misc]
            sys.stdout.write(f"{name:8} frames of {frame:2}: {figure:6.2f} us a transaction\n")
            sys.stdout.flush()
    count = args.file_accounts
    with tempfile.TemporaryDirectory(dir=args.directory) as directory:
        large = HistorySizes(count, count, count, 256, 2**21)
        size, seconds = opening_s(Path(directory), transactions(count * 2, count, 2), large, args.rounds)
    sys.stdout.write(f"opening a file of {size:.2f} GiB: {seconds:.2f} s, {seconds / size:.2f} s a GiB\n")


if __name__ == "__main__":
    main()
