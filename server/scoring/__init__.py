"""What the server does with transactions and outcomes, however they arrived."""

from server.scoring.attribute_census import AttributeCensus
from server.scoring.attribute_rules import AttributeRules
from server.scoring.history import Backfill, OutcomeReports
from server.scoring.invalid import InvalidValues
from server.scoring.reasons import ReasonGiver
from server.scoring.scorer import Scorer

__all__ = [
    "AttributeCensus",
    "AttributeRules",
    "Backfill",
    "InvalidValues",
    "OutcomeReports",
    "ReasonGiver",
    "Scorer",
]
