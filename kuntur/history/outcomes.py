"""What an outcome does to the latest transactions: its label is remembered, and what follows for entities."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from kuntur.compiled.native import native
from kuntur.features.kernel import Change
from kuntur.history.recent import (
    DAMAGED,
    LABEL_BITS,
    NO_LABEL,
    P_BASE,
    R_ACCOUNT,
    R_CATEGORY,
    R_DEVICE,
    R_LABEL,
    R_MERCHANT,
    R_REPORTED,
    R_TIME,
    RECORD_WORDS,
    leads_to,
    place_of,
    record_holds,
    seal_record,
    start_of,
)
from kuntur.records.undo import keep

_LEGITIMATE, _FRAUD = 1, 2


class OutcomeStatus(IntEnum):
    """What became of a reported outcome."""

    APPLIED = 0
    REPEATED = 1  # says what was known already, or was reported before it
    CORRECTED = 2  # replaces an earlier one, which is taken back
    UNKNOWN = 3  # no such transaction, or no longer
    BEFORE_EVENT = 4  # reported before the transaction took place


APPLIED, CORRECTED = int(OutcomeStatus.APPLIED), int(OutcomeStatus.CORRECTED)
_REPEATED, _UNKNOWN = int(OutcomeStatus.REPEATED), int(OutcomeStatus.UNKNOWN)
_BEFORE_EVENT = int(OutcomeStatus.BEFORE_EVENT)


class Resolved(NamedTuple):
    """What is known of the transaction that an outcome is about.

    status: number of an `OutcomeStatus`, or DAMAGED; the rest is 0 unless the status is APPLIED or CORRECTED:
    keys of its entities, its earlier label, and when that was reported.
    """

    status: Any
    account: Any
    merchant: Any
    device: Any
    category: Any
    before: Any
    reported_us: Any


@native
def resolve(memory, undo, transaction, time_us, is_fraud):
    """Finds the transaction of an outcome and remembers its label; returns what is known of it, `Resolved`.

    transaction: uint64; time_us: int64, of the report.
    """
    place = place_of(memory, transaction, undo)
    if place < 0:
        return _unresolved(DAMAGED)
    slot = leads_to(memory, place)
    if slot < 0:
        return _unresolved(_UNKNOWN)
    start = start_of(memory, slot)
    if not record_holds(memory, start, undo):
        return _unresolved(DAMAGED)
    label = _FRAUD if is_fraud else _LEGITIMATE
    before, reported = memory[start + R_LABEL] & LABEL_BITS, memory[start + R_REPORTED]
    if time_us < memory[start + R_TIME]:
        return _unresolved(_BEFORE_EVENT)
    if before == label or (before != NO_LABEL and time_us < reported):
        return _unresolved(_REPEATED)
    keep(undo, memory, memory[P_BASE], start, RECORD_WORDS)
    memory[start + R_LABEL] = label
    memory[start + R_REPORTED] = time_us
    seal_record(memory, start, undo)
    return Resolved(
        np.int64(APPLIED if before == NO_LABEL else CORRECTED),
        np.uint64(memory[start + R_ACCOUNT]),
        np.uint64(memory[start + R_MERCHANT]),
        np.uint64(memory[start + R_DEVICE]),
        np.uint64(memory[start + R_CATEGORY]),
        before,
        reported,
    )


@native
def _unresolved(status):
    none = np.uint64(0)
    return Resolved(np.int64(status), none, none, none, none, np.int64(NO_LABEL), np.int64(0))


@native
def taken_back(found):
    """Returns the change that takes the earlier label of a corrected transaction back."""
    fraud = np.int64(-1 if found.before == _FRAUD else 0)
    return Change(
        found.account, found.merchant, found.device, found.category, found.reported_us, fraud, np.int64(-1)
    )


@native
def added(found, time_us, is_fraud):
    """Returns the change that an outcome makes, reported at a time."""
    fraud = np.int64(1 if is_fraud else 0)
    return Change(found.account, found.merchant, found.device, found.category, time_us, fraud, np.int64(1))
