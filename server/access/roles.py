"""What each method of the server takes: the one table from which guard, page and tests are made."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, NamedTuple


class Role(StrEnum):
    """What an identity may do."""

    SCORE = "score"
    REPORT_OUTCOMES = "report_outcomes"
    BACKFILL = "backfill"
    READ_MODELS = "read_models"
    OPERATE_MODELS = "operate_models"
    AUDIT = "audit"
    REFLECT = "reflect"


MEANINGS: Mapping[Role, str] = {
    Role.SCORE: "Have transactions scored, one by one or in streams, and counted in the history",
    Role.REPORT_OUTCOMES: "Report what transactions turned out to be",
    Role.BACKFILL: "Put past transactions into the history, unscored",
    Role.READ_MODELS: "See which models there are, which one is live, and why others were refused",
    Role.OPERATE_MODELS: "Promote models and put them back; no method takes it yet",
    Role.AUDIT: "Read the evidence of decisions; no method takes it yet",
    Role.REFLECT: "Ask which services and messages there are",
}
DATA = frozenset({Role.SCORE, Role.REPORT_OUTCOMES, Role.BACKFILL})
"""Roles that act for institutions."""


class Rule(NamedTuple):
    """What a method takes."""

    role: Role | None
    """The role; None: any identity that is bound."""
    opened_by: Literal["open_health", "open_reflection"] | None = None
    """The setting of `[access]` with which it takes nothing at all."""
    institutions: bool = False
    """Whether each item of a request has to be of an institution of the caller's."""


_API = "kuntur.api.v1"
_HEALTH = Rule(None, "open_health")
_REFLECTION = Rule(Role.REFLECT, "open_reflection")

RULES: Mapping[str, Rule] = {
    f"/{_API}.ScoringService/ScoreTransaction": Rule(Role.SCORE, institutions=True),
    f"/{_API}.ScoringService/ScoreStream": Rule(Role.SCORE, institutions=True),
    f"/{_API}.OutcomeService/ReportOutcomes": Rule(Role.REPORT_OUTCOMES, institutions=True),
    f"/{_API}.HistoryService/Backfill": Rule(Role.BACKFILL, institutions=True),
    f"/{_API}.ModelService/ListModels": Rule(Role.READ_MODELS),
    f"/{_API}.ModelService/GetModel": Rule(Role.READ_MODELS),
    f"/{_API}.ModelService/GetLiveModel": Rule(Role.READ_MODELS),
    "/grpc.health.v1.Health/Check": _HEALTH,
    "/grpc.health.v1.Health/List": _HEALTH,
    "/grpc.health.v1.Health/Watch": _HEALTH,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": _REFLECTION,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _REFLECTION,
}
"""By the full name of the method, with slashes. What is not here, nobody may call."""


def methods_of(roles: frozenset[Role]) -> frozenset[str]:
    """Returns the methods that an identity with these roles may call."""
    return frozenset(name for name, rule in RULES.items() if rule.role is None or rule.role in roles)
