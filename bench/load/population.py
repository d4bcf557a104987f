"""Histories of many entities, made without a server, and transactions of theirs.

Everybody in a population is called by a number, so that whoever made the history, everybody is met again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.load.bodies import Change
from bench.load.workload import Workload
from kuntur.api.v1 import transaction_pb2
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.identity import SCOPED, hash_ids
from kuntur.transaction import IntColumn, KeyColumn, TransactionBatch
from kuntur.wire import TransactionReader
from server.state import HistorySizes, Region
from server.state.region.shared import RegionHistory

_CHUNK = 100_000
_FAR = 2**62  # no event time is too late
_BEFORE_US = 3_600_000_000  # the history ends so long before the load begins


@dataclass(frozen=True, slots=True)
class Population:
    """How many there are of each kind."""

    accounts: int
    devices: int
    merchants: int

    @property
    def sizes(self) -> HistorySizes:
        """A region that holds them and a few more."""
        return HistorySizes(
            self.accounts + 1000, self.merchants + 1000, self.devices + 1000, 4096, recent_transactions=2**21
        )

    def settings(self, path: Path) -> dict[str, str]:
        """Returns the settings of a server on a region of theirs."""
        sizes = self.sizes
        return {
            "history.path": str(path),
            "history.max_accounts": str(sizes.accounts),
            "history.max_merchants": str(sizes.merchants),
            "history.max_devices": str(sizes.devices),
        }

    def anyone(self, seed: int) -> Change:
        """Returns what makes a transaction one of anybody of them, each as probable as any other."""
        rng = np.random.default_rng(seed)

        def change(message: transaction_pb2.Transaction, _: int) -> None:
            message.institution_id = ""
            message.account_id = f"a-{rng.integers(self.accounts)}"
            message.device_id = f"d-{rng.integers(self.devices)}"
            message.merchant_id = f"m-{rng.integers(self.merchants)}"

        return change


def write_history(path: Path, population: Population, workload: Workload) -> None:
    """Makes a file of a history in which every one of a population has had a transaction."""
    path.unlink(missing_ok=True)
    region = Region.open(path, population.sizes)
    history = RegionHistory(region)
    for batch in _everyone(population, workload):
        history.backfill(batch)
    region.close()


def _everyone(population: Population, workload: Workload) -> Iterator[TransactionBatch]:
    """Yields a transaction of each account, in event order, with a device and a merchant each."""
    secret = secret_from_hex(DEFAULT_HASH_KEY)
    last = transaction_pb2.Transaction.FromString(workload.raw[-1])
    like = TransactionReader(secret).read_transactions([last], _FAR).batch
    end_us = int(like.ints[0, IntColumn.EVENT_TIME_US]) - _BEFORE_US
    for first in range(0, population.accounts, _CHUNK):
        numbers = range(first, min(first + _CHUNK, population.accounts))
        ids = {
            KeyColumn.TRANSACTION: [f"h-{n}" for n in numbers],
            KeyColumn.ACCOUNT: [f"a-{n}" for n in numbers],
            KeyColumn.MERCHANT: [f"m-{n % population.merchants}" for n in numbers],
            KeyColumn.DEVICE: [f"d-{n % population.devices}" for n in numbers],
        }
        keys = _hashed(ids, len(numbers), secret)
        keys[:, KeyColumn.CATEGORY] = like.keys[0, KeyColumn.CATEGORY]
        ints = np.repeat(like.ints, len(numbers), axis=0)
        ints[:, IntColumn.EVENT_TIME_US] = end_us - population.accounts + np.array(numbers)
        yield TransactionBatch(keys, ints, np.repeat(like.floats, len(numbers), axis=0), {})


def _hashed(
    ids: dict[KeyColumn, list[str]], rows: int, secret: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Returns the keys of ids, as a request with them would; 0 in columns without."""
    lengths = np.zeros((rows, len(KeyColumn)), dtype=np.int64)
    for column, texts in ids.items():
        lengths[:, column] = list(map(len, texts))
    data = "".join("".join(row) for row in zip(*(ids[column] for column in sorted(ids)), strict=True))
    starts = (np.cumsum(lengths) - lengths.ravel()).reshape(lengths.shape)
    keys = np.empty((rows, len(KeyColumn)), dtype=np.uint64)
    scopes = np.zeros(rows, dtype=np.uint64)
    hash_ids(np.frombuffer(data.encode(), dtype=np.uint8), starts, lengths, scopes, SCOPED, secret, keys)
    return keys
