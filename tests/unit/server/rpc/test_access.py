from __future__ import annotations

import math
import time
from typing import Any

import pytest
import structlog

from server.access import ANYONE, Caller, Guard
from server.access.bindings import read_bindings
from server.errors import IdentityUnknownError, OverloadedError, StreamExpiredError, TokenExpiredError
from server.rpc.admission.gates import Admission, Gate
from server.rpc.calls.edge import Edge
from server.rpc.calls.lifetime import Lifetimes, end_of, lasting_s
from server.rpc.errors import CallStatus, ErrorTable
from server.settings.limits import Limits
from server.telemetry.metrics import ServerMetrics

SCORE = "/kuntur.api.v1.ScoringService/ScoreTransaction"


class FaultyGuard(Guard):
    """A guard with a fault."""

    def admit(self, *_: Any) -> Caller:
        raise ZeroDivisionError


def edge_of(guard: Guard | None) -> Edge:
    return Edge(Admission(Limits()), ErrorTable(1.0), ServerMetrics(), Lifetimes(60.0), guard)


def guard_of(kind: type[Guard] = Guard, bindings: bytes = b"") -> Guard:
    return kind(read_bindings(bindings), None)


def admitted(edge: Edge, metadata: Any = ()) -> Caller | CallStatus:
    return edge.admit(edge.admission.unary, SCORE, metadata, lambda: None, lambda: "ipv4:10.0.0.1:5")


def test_without_a_guard_anyone_may_do_anything() -> None:
    assert admitted(edge_of(None)) is ANYONE
    assert edge_of(None).renewed(ANYONE, SCORE) is ANYONE


def test_a_fault_of_the_guard_lets_nobody_in() -> None:
    with structlog.testing.capture_logs() as logs:
        status = admitted(edge_of(guard_of(FaultyGuard)))
    assert isinstance(status, CallStatus)
    assert status.code.name == "INTERNAL"
    assert [line["error"] for line in logs] == ["ZeroDivisionError"]


def test_a_refusal_is_counted_and_written_down() -> None:
    edge = edge_of(guard_of())
    with structlog.testing.capture_logs() as logs:
        for metadata in ((), (("authorization", "Bearer a.b.c"),), (("authorization", "a"),) * 2):
            assert isinstance(admitted(edge, metadata), CallStatus)
    assert [line["reason"] for line in logs] == ["CREDENTIALS_MISSING", "TOKEN_INVALID", "TOKEN_INVALID"]
    assert {line["peer"] for line in logs} == {"ipv4:10.0.0.1:5"}
    sample = edge.metrics.registry.get_sample_value
    assert sample("kuntur_access_refused_total", {"reason": "TOKEN_INVALID"}) == 2
    labels = {"resource": "calls", "reason": "TOKEN_INVALID"}
    assert sample("kuntur_calls_refused_total", labels) == 2


def test_a_caller_of_before_a_change_of_the_bindings_is_looked_up_again() -> None:
    guard = guard_of()
    edge = edge_of(guard)
    caller = Caller("token:core", frozenset({SCORE}), bindings=guard.bindings)
    assert edge.renewed(caller, SCORE) is caller
    guard.bindings = read_bindings(b"")
    with pytest.raises(IdentityUnknownError):
        edge.renewed(caller, SCORE)


def test_a_caller_may_have_a_limit_of_its_own() -> None:
    gate = Gate("calls", 4)
    assert [gate.enter("a", 2) for _ in range(2)] == [None, None]
    refusal = gate.enter("a", 2)
    assert isinstance(refusal, OverloadedError)
    assert (refusal.limit, refusal.scope) == (2, "caller")
    assert gate.enter("b") is None
    gate.leave("a")
    assert gate.enter("a", 2) is None


def test_a_limit_of_ones_own_may_lie_above_that_of_all() -> None:
    gate = Gate("calls", 4, per_caller=1)
    assert [gate.enter("a", 3) for _ in range(3)] == [None] * 3
    assert isinstance(gate.enter("a", 3), OverloadedError)


def test_a_stream_lasts_as_long_as_its_callers_token() -> None:
    caller = Caller("token:core", frozenset(), expires=time.time() + 100)
    assert 90 < lasting_s(caller) <= 100
    assert lasting_s(ANYONE) == math.inf
    lifetimes = Lifetimes(3600.0)
    for given, most_s in ((caller, 100), (ANYONE, 3600)):
        assert lifetimes.add(object(), lambda: None, lasting_s(given)) <= time.monotonic() + most_s


def test_why_a_stream_ends_goes_by_what_ended_first() -> None:
    assert isinstance(end_of(ANYONE), StreamExpiredError)
    assert isinstance(end_of(Caller("a", frozenset(), expires=time.time() - 1)), TokenExpiredError)
