"""What the compiled functions pass to each other: arrays and numbers that belong together, by name.

Named tuples cost nothing between compiled functions. A call from Python is another matter: numba takes
1.3 µs to receive a named tuple of eight arrays, 0.7 µs for a plain tuple of them, and 0.3 µs for the eight
arrays themselves. So functions that Python calls take arrays, however many, and make the tuples inside.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuntur.compiled.native import native
from kuntur.transaction import FloatColumn, IntColumn, KeyColumn

EVENT_TIME, AMOUNT, BALANCE = (
    int(IntColumn.EVENT_TIME_US),
    int(IntColumn.AMOUNT_CENTS),
    int(IntColumn.BALANCE_CENTS),
)
TYPE, CHANNEL, ACCOUNT_TYPE = int(IntColumn.TYPE), int(IntColumn.CHANNEL), int(IntColumn.ACCOUNT_TYPE)
AGE, COUNTRY, CURRENCY = int(IntColumn.ACCOUNT_AGE_DAYS), int(IntColumn.COUNTRY), int(IntColumn.CURRENCY)
COUNTED = int(IntColumn.COUNTED)
LATITUDE, LONGITUDE = int(FloatColumn.LATITUDE), int(FloatColumn.LONGITUDE)
TRANSACTION = int(KeyColumn.TRANSACTION)
ACCOUNT, MERCHANT, DEVICE = int(KeyColumn.ACCOUNT), int(KeyColumn.MERCHANT), int(KeyColumn.DEVICE)
CATEGORY, COUNTERPARTY = int(KeyColumn.CATEGORY), int(KeyColumn.COUNTERPARTY)

C_LATE, C_LATE_DROPPED, C_OUTCOMES_LATE = 0, 1, 2
C_DAMAGED = 5  # behind the two of `kuntur.history.serving`; only where records are sealed
COUNTERS = 3


class Transactions(NamedTuple):
    """The columns of a `TransactionBatch`."""

    keys: Any
    ints: Any
    floats: Any


class Table(NamedTuple):
    """A table of `kuntur.records.table`, twice over the same memory: as int64 and as int32."""

    words: Any
    halves: Any


class Entities(NamedTuple):
    """The tables of all kinds, the counters, and the log of what is overwritten.

    counters: int64 [COUNTERS or more]; undo: as `kuntur.records.undo` has it, empty where nothing is kept.
    """

    accounts: Table
    merchants: Table
    devices: Table
    categories: Table
    counters: Any
    undo: Any


class Record(NamedTuple):
    """A record within its table; w, h: where its words and its half-words start."""

    words: Any
    halves: Any
    w: int
    h: int


class Moment(NamedTuple):
    """The time of a transaction: its hop of each ring, and the local time in seconds."""

    fine: int
    hourly: int
    daily: int
    local_s: int


class Change(NamedTuple):
    """What an outcome adds to label windows, or takes back: one row of `LabelChanges`.

    The keys of its entities, the report in whose hour it counts, and -1, 0 or 1 for fraud and outcome.
    """

    account: Any
    merchant: Any
    device: Any
    category: Any
    counted_us: Any
    fraud: Any
    outcome: Any


@native
def both_widths(words):
    """Returns a table as int64 and as int32. For compiled callers: Python gets an array of wrong strides."""
    return Table(words, words.view(np.int32))


@native
def entities_of(accounts, merchants, devices, categories, counters, undo):
    """Returns the tables with what belongs to them. For compiled callers, as `both_widths` is."""
    return Entities(
        both_widths(accounts),
        both_widths(merchants),
        both_widths(devices),
        both_widths(categories),
        counters,
        undo,
    )
