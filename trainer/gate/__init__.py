"""Champion and challenger: whether a new model takes the place of the live one, with the reasons in words."""

from trainer.gate.contenders import Challenger, Champion, JudgingWindow, NoChampion, live_champion
from trainer.gate.judge import judge
from trainer.gate.verdict import Finding, Verdict, failed_tests

__all__ = [
    "Challenger",
    "Champion",
    "Finding",
    "JudgingWindow",
    "NoChampion",
    "Verdict",
    "failed_tests",
    "judge",
    "live_champion",
]
