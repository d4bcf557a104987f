"""What a call shows of who makes it, read from grpcio's event of one that arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.access import ANYONE, Caller
from server.rpc.admission.gates import Gate
from server.rpc.calls.edge import CERTIFICATE, Edge
from server.rpc.errors import CallStatus

_CERTIFICATE = CERTIFICATE.encode()  # below the public API all text is bytes
Admit = Callable[[Gate, str, Any], Caller | CallStatus]
"""Takes a method's gate and full name, and an event, to who calls or to what to end the call with."""


def admission(edge: Edge) -> Admit:
    """Returns what asks the guard of an edge."""
    if edge.guard is None:
        return lambda *_: ANYONE  # and nothing is looked at
    admit, recall = edge.admit, edge.guard.recall

    def of_event(gate: Gate, method: str, event: Any) -> Caller | CallStatus:
        shown = None
        for key, value in event.invocation_metadata:
            if key == "authorization":
                shown = value if shown is None else ""  # of several none is recalled
        caller = recall(method, shown)
        if caller is not None:
            return caller
        call = event.call
        return admit(gate, method, event.invocation_metadata, lambda: _certificate(call), lambda: _peer(call))

    return of_event


def _peer(call: Any) -> str:
    return bytes(call.peer()).decode(errors="replace")


def _certificate(call: Any) -> bytes | None:
    found = cygrpc.auth_context(call).get(_CERTIFICATE)
    return found[0] if found else None
