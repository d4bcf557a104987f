"""The latest transactions by id: whether one was counted before, and whom an outcome concerns.

A circle of fixed size with an index on it; the oldest make room. Ids are there as keyed hashes only.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from numba import njit

from kuntur.features.label_changes import LabelChanges
from kuntur.transaction import IntColumn, KeyColumn

R_TRANSACTION, R_ACCOUNT, R_MERCHANT, R_DEVICE, R_CATEGORY, R_TIME, R_LABEL, R_REPORTED = range(8)
_WORDS = 8
TIME, COUNTED = int(IntColumn.EVENT_TIME_US), int(IntColumn.COUNTED)
TRANSACTION, ACCOUNT, MERCHANT = int(KeyColumn.TRANSACTION), int(KeyColumn.ACCOUNT), int(KeyColumn.MERCHANT)
DEVICE, CATEGORY = int(KeyColumn.DEVICE), int(KeyColumn.CATEGORY)
_NO_LABEL, _LEGITIMATE, _FRAUD = 0, 1, 2


class OutcomeStatus(IntEnum):
    """What became of a reported outcome."""

    APPLIED = 0
    REPEATED = 1  # says what was known already, or was reported before it
    CORRECTED = 2  # replaces an earlier one, which is taken back
    UNKNOWN = 3  # no such transaction, or no longer
    BEFORE_EVENT = 4  # reported before the transaction took place


@njit(cache=True, nogil=False)
def _place_of(index, records, key):
    mask = len(index) - 1
    place = np.int64(key) & mask
    while index[place] != 0 and records[index[place] - 1, R_TRANSACTION] != np.int64(key):
        place = (place + 1) & mask
    return place


@njit(cache=True, nogil=False)
def _forget(index, records, key):
    """Empties the place of a key and closes the gap behind it (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask = len(index) - 1
    gap = _place_of(index, records, key)
    index[gap] = 0
    place = (gap + 1) & mask
    while index[place] != 0:
        home = records[index[place] - 1, R_TRANSACTION] & mask
        if (place - home) & mask >= (place - gap) & mask:
            index[gap] = index[place]
            index[place] = 0
            gap = place
        place = (place + 1) & mask


@njit(cache=True, nogil=False)
def _admit(index, records, state, keys, ints):
    """Remembers new transactions; COUNTED of the others becomes 0. Gives how many those are."""
    repeated = 0
    for i in range(len(ints)):
        key = keys[i, TRANSACTION]
        place = _place_of(index, records, key)
        if index[place] != 0:
            ints[i, COUNTED] = 0
            repeated += 1
            continue
        slot = state[0] % len(records)
        if state[0] >= len(records):
            _forget(index, records, np.uint64(records[slot, R_TRANSACTION]))
            place = _place_of(index, records, key)
        state[0] += 1
        index[place] = slot + 1
        records[slot, R_TRANSACTION] = np.int64(key)
        records[slot, R_ACCOUNT] = np.int64(keys[i, ACCOUNT])
        records[slot, R_MERCHANT] = np.int64(keys[i, MERCHANT])
        records[slot, R_DEVICE] = np.int64(keys[i, DEVICE])
        records[slot, R_CATEGORY] = np.int64(keys[i, CATEGORY])
        records[slot, R_TIME] = ints[i, TIME]
        records[slot, R_LABEL] = _NO_LABEL
        records[slot, R_REPORTED] = 0
    return repeated


@njit(cache=True, nogil=False)
def _resolve(index, records, transactions, times, is_fraud, statuses, keys, known, counted, frauds, outcomes):
    """Finds the transactions of outcomes and writes the changes they cause; gives how many changes."""
    changes = 0
    for i in range(len(transactions)):
        place = _place_of(index, records, transactions[i])
        if index[place] == 0:
            statuses[i] = 3
            continue
        record = records[index[place] - 1]
        label = _FRAUD if is_fraud[i] else _LEGITIMATE
        if times[i] < record[R_TIME]:
            statuses[i] = 4
            continue
        if record[R_LABEL] == label or (record[R_LABEL] != _NO_LABEL and times[i] < record[R_REPORTED]):
            statuses[i] = 1
            continue
        statuses[i] = 0
        for taken_back in (True, False):
            if taken_back and record[R_LABEL] == _NO_LABEL:
                continue
            keys[changes, TRANSACTION] = transactions[i]
            keys[changes, ACCOUNT] = np.uint64(record[R_ACCOUNT])
            keys[changes, MERCHANT] = np.uint64(record[R_MERCHANT])
            keys[changes, DEVICE] = np.uint64(record[R_DEVICE])
            keys[changes, CATEGORY] = np.uint64(record[R_CATEGORY])
            known[changes] = times[i]
            if taken_back:
                statuses[i] = 2
                counted[changes] = record[R_REPORTED]
                frauds[changes] = -1 if record[R_LABEL] == _FRAUD else 0
                outcomes[changes] = -1
            else:
                counted[changes] = times[i]
                frauds[changes] = 1 if label == _FRAUD else 0
                outcomes[changes] = 1
            changes += 1
        record[R_LABEL] = label
        record[R_REPORTED] = times[i]
    return changes


class RecentTransactions:
    """The latest `capacity` transactions, 64 bytes each and 16 of index. Not safe for threads."""

    def __init__(self, capacity: int) -> None:
        self._records = np.zeros((capacity, _WORDS), dtype=np.int64)
        self._index = np.zeros(1 << max(4, (2 * capacity - 1).bit_length()), dtype=np.int64)
        self._state = np.zeros(1, dtype=np.int64)

    def __len__(self) -> int:
        return min(int(self._state[0]), len(self._records))

    def admit(self, keys: npt.NDArray[np.uint64], ints: npt.NDArray[np.int64]) -> int:
        """Remembers the transactions of a batch and sets COUNTED of those known before to 0.

        keys: uint64 [n, KeyColumn]; ints: int64 [n, IntColumn], changed in place. Gives how many were
        known before, twins within the batch included.
        """
        return int(_admit(self._index, self._records, self._state, keys, ints))

    def resolve(
        self,
        transactions: npt.NDArray[np.uint64],
        reported_time_us: npt.NDArray[np.int64],
        is_fraud: npt.NDArray[np.bool_],
    ) -> tuple[npt.NDArray[np.int8], LabelChanges]:
        """Remembers outcomes, and gives an `OutcomeStatus` each, int8 [n], and the changes they cause.

        transactions: uint64 [n]; reported_time_us: int64 [n]; is_fraud: bool [n]. The changes are in the
        order of the outcomes, not of time.
        """
        n = len(transactions)
        statuses = np.empty(n, dtype=np.int8)
        keys = np.zeros((2 * n, len(KeyColumn)), dtype=np.uint64)
        known, counted = np.empty(2 * n, dtype=np.int64), np.empty(2 * n, dtype=np.int64)
        frauds, outcomes = np.empty(2 * n, dtype=np.int8), np.empty(2 * n, dtype=np.int8)
        changes = _resolve(
            self._index,
            self._records,
            transactions,
            reported_time_us,
            is_fraud,
            statuses,
            keys,
            known,
            counted,
            frauds,
            outcomes,
        )
        return statuses, LabelChanges(keys, known, counted, frauds, outcomes).rows(slice(changes))
