"""The history behind the features as it is served: its memory, what is counted in it, checks and repair."""

from kuntur.history.memory import HistoryMemory, HistorySizes
from kuntur.history.outcomes import OutcomeStatus
from kuntur.history.repair import Repair

__all__ = ["HistoryMemory", "HistorySizes", "OutcomeStatus", "Repair"]
