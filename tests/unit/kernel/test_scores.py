"""Decisions, reasons and scores against the contract."""

from __future__ import annotations

from enum import IntEnum

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

import clients
from kuntur.api.v1 import score_pb2
from kuntur.scores import Decision, Reason, ReasonsMode
from server.telemetry.metrics import DECISIONS


@pytest.mark.parametrize(
    ("declared", "contract", "prefix"),
    [
        (Decision, score_pb2.Decision, "DECISION_"),
        (ReasonsMode, score_pb2.ReasonsMode, "REASONS_MODE_"),
    ],
)
def test_an_enum_has_the_numbers_of_the_contract(
    declared: type[IntEnum], contract: EnumTypeWrapper, prefix: str
) -> None:
    # Who asks for no mode gets the reasons of those to be reviewed: 0 has that name here.
    names = {name.removeprefix(prefix): number for name, number in contract.items()}
    assert {value.name.replace("REVIEWED", "UNSPECIFIED"): value.value for value in declared} == names


def test_a_decision_that_is_not_known_is_unspecified() -> None:
    assert Decision(99) is Decision.UNSPECIFIED
    with pytest.raises(ValueError, match="99"):
        ReasonsMode(99)


def test_a_reason_has_the_fields_of_the_contract() -> None:
    names = tuple(field.name for field in score_pb2.Reason.DESCRIPTOR.fields)
    assert Reason._fields == clients.Reason.__slots__ == names


def test_clients_and_server_use_the_declared_decisions() -> None:
    assert clients.Decision is Decision
    assert clients.ReasonsMode is ReasonsMode
    assert [Decision[name.upper()] for name in DECISIONS] == list(range(len(Decision)))
