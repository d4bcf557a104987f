"""Sentences of protos, pages, docstrings and `--help` say what the code does."""

from __future__ import annotations

import pytest

from tests.architecture.statements import contract, evidence, keeping, serving, training
from tests.architecture.statements.reading import Code, Statement, untrue

STATEMENTS: tuple[Statement, ...] = (
    *contract.PROTOS,
    *contract.CLIENTS,
    *serving.SERVING,
    *serving.OVERLOAD,
    *serving.SETTINGS,
    *serving.SECURITY,
    *serving.ACCESS,
    *keeping.STATE,
    *keeping.JOURNAL,
    *keeping.PROOF,
    *keeping.CHANGELOG,
    *training.TRAINING,
    *training.CLUSTER,
    *evidence.DETECTION,
    *evidence.DATA,
    *evidence.BUNDLE,
    *training.COMMANDS,
)


@pytest.mark.parametrize("statement", STATEMENTS, ids=str)
def test_a_sentence_with_a_number_says_what_the_code_does(statement: Statement) -> None:
    assert not list(untrue(statement))


@pytest.mark.parametrize(("one", "other"), contract.SAME, ids=lambda code: code.told)
def test_what_stands_in_two_places_is_the_same(one: Code, other: Code) -> None:
    assert one.value() == other.value()
