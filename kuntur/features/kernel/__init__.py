"""The features, compiled: the loop over transactions, and what outcomes add."""

from kuntur.features.kernel.loop import process, process_one
from kuntur.features.kernel.records import prefetch
from kuntur.features.kernel.reports import report, report_one
from kuntur.features.kernel.views import (
    C_DAMAGED,
    C_LATE,
    C_LATE_DROPPED,
    C_OUTCOMES_LATE,
    COUNTERS,
    EVENT_TIME,
    Change,
    Entities,
    Transactions,
    entities_of,
)

__all__ = [
    "COUNTERS",
    "C_DAMAGED",
    "C_LATE",
    "C_LATE_DROPPED",
    "C_OUTCOMES_LATE",
    "EVENT_TIME",
    "Change",
    "Entities",
    "Transactions",
    "entities_of",
    "prefetch",
    "process",
    "process_one",
    "report",
    "report_one",
]
