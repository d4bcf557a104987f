"""Where each number of an entity's record lies, and how long the windows are.

A record is a row of 64-bit words, then of 32-bit words in the same memory, of fixed size: no entity
grows with its traffic, a copy of the memory is a snapshot, and the memory may be a mapped file.
Offsets `W_` count 64-bit words, offsets `H_` 32-bit words, both from the start of the record.
"""

from __future__ import annotations

from typing import NamedTuple

MICROSECONDS = 1_000_000
HOUR_S = 3_600
DAY_S = 86_400


class Ring(NamedTuple):
    """A circle of hops: the newest `hops` stretches of `hop_s` seconds of event time."""

    hop_s: int
    hops: int


FINE = Ring(300, 12)
HOURLY = Ring(HOUR_S, 24)
DAILY = Ring(DAY_S, 30)
RINGS = (FINE, HOURLY, DAILY)
RING_HOPS = sum(ring.hops for ring in RINGS)


class Window(NamedTuple):
    """The last `hops` hops of a ring, the current one included."""

    name: str
    ring: int
    hops: int

    @property
    def days(self) -> float:
        """Length of the window in days."""
        return RINGS[self.ring].hop_s * self.hops / DAY_S


# 7 and 30 days share the daily ring: a ring of 6-hour hops for the week would cost 336 bytes an
# entity and take an account above 1 KiB.
WINDOWS = (Window("1h", 0, 12), Window("24h", 1, 24), Window("7d", 2, 7), Window("30d", 2, 30))

# Outcomes: hours and days of *report* time. Two hops more than the longest window: a value never includes
# the current hour and day, and a transaction that is a little late may come when a newer one has begun.
LABEL_HOURS = 26
LABEL_DAYS = 32
LABEL_WINDOWS_DAYS = (1, 7, 14, 30)

# Words that every record starts with.
W_KEY = 0
W_LAST_TIME_US = 1
W_SUMS = 2  # RING_HOPS sums of amounts, in hundredths
W_AFTER_SUMS = W_SUMS + RING_HOPS

# Account: running figures over all its transactions.
W_TOTAL_COUNT = W_AFTER_SUMS
W_LOG_SUM = W_AFTER_SUMS + 1  # of quantised logarithms of amounts
W_LOG_SQUARES = W_AFTER_SUMS + 2
W_MAX_AMOUNT = W_AFTER_SUMS + 3
W_POSITION_TIME_US = W_AFTER_SUMS + 4  # of the latest position; 0 without one
W_USUAL_SUM = W_AFTER_SUMS + 5  # of amounts, each at most USUAL_LIMIT times the mean before it
ACCOUNT_WORDS = W_AFTER_SUMS + 6
PROFILE_WORDS = W_AFTER_SUMS

USUAL_LIMIT = 3  # a few frauds of any size move the usual amount little
USUAL_FROM = 3  # transactions before the limit holds

LOG_QUANTUM = 1024.0  # a logarithm is kept as an integer count of 1/1024

# Half-words of both kinds, counted from the first one behind the words.
H_HEADS = 0  # newest hop of each ring
H_COUNTS = 3  # RING_HOPS counts
H_AFTER_COUNTS = H_COUNTS + RING_HOPS

# Account: what it has met before, the latest first, as 32-bit parts of keys.
RECENT_MERCHANTS = 12
RECENT_DEVICES = 4
RECENT_COUNTRIES = 4
RECENT_COUNTERPARTIES = 7
H_MERCHANTS = H_AFTER_COUNTS  # how often one was new, then the places
H_DEVICES = H_MERCHANTS + 1 + RECENT_MERCHANTS
H_COUNTRIES = H_DEVICES + 1 + RECENT_DEVICES
H_COUNTERPARTIES = H_COUNTRIES + 1 + RECENT_COUNTRIES
H_LATITUDE = H_COUNTERPARTIES + 1 + RECENT_COUNTERPARTIES  # degrees × 10^6; UNSET_DEGREES
H_LONGITUDE = H_LATITUDE + 1
# The two newest hours with a report stay when all of it is taken back: so what is known does not hang on
# whether a report was taken back before or after a newer one came.
H_FRAUD_HOUR = H_LONGITUDE + 1  # newest hour with a report
H_FRAUD_IN_HOUR = H_FRAUD_HOUR + 1  # frauds of that hour, less those taken back
H_FRAUD_BEFORE = H_FRAUD_HOUR + 2  # of all hours before it
H_FRAUD_PREVIOUS_HOUR = H_FRAUD_HOUR + 3  # newest hour with a report before it
H_FRAUD_IN_PREVIOUS_HOUR = H_FRAUD_HOUR + 4
H_NIGHT_COUNT = H_FRAUD_HOUR + 5  # transactions at night
ACCOUNT_HALF_WORDS = H_FRAUD_HOUR + 6

# Merchant, device, category: outcomes by the time they were reported.
H_LABEL_HOUR = H_AFTER_COUNTS  # newest hour with an outcome
H_LABEL_DAY = H_LABEL_HOUR + 1
H_HOUR_FRAUDS = H_LABEL_DAY + 1
H_HOUR_OUTCOMES = H_HOUR_FRAUDS + LABEL_HOURS
H_DAY_FRAUDS = H_HOUR_OUTCOMES + LABEL_HOURS
H_DAY_OUTCOMES = H_DAY_FRAUDS + LABEL_DAYS
RECENT_ACCOUNTS = 8
H_ACCOUNTS = H_DAY_OUTCOMES + LABEL_DAYS  # how often one was new, then the places
PROFILE_HALF_WORDS = H_ACCOUNTS + 1 + RECENT_ACCOUNTS

UNSET_DEGREES = -(2**31)


def record_words(words: int, half_words: int) -> int:
    """Returns the length of a record in 64-bit words."""
    return words + (half_words + 1) // 2


ACCOUNT_RECORD_WORDS = record_words(ACCOUNT_WORDS, ACCOUNT_HALF_WORDS)
PROFILE_RECORD_WORDS = record_words(PROFILE_WORDS, PROFILE_HALF_WORDS)
