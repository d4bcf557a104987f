"""Unary calls whose handler takes bytes to bytes, without what grpcio makes for each call.

grpcio gives a call a state, a condition, a context and a thread that waits for the request: more time than
a score takes. Here a call is one object and three batches of operations: one receives the request, one sends
the answer, one sees the end. All end on gRPC's polling thread, and work is done there too (see
`server.rpc.polling`), unless it would wait for something: then threads of its own do it.

Once the request has come a call is worked on even if its caller cancels it: the answer may be on its way
by then anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.rpc import status_pb2
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.errors import DeadlinePassedError, ServerError
from server.rpc.admission import Gate
from server.rpc.errors import CallStatus

_LOG = structlog.get_logger(__name__)
_NO_FLAGS = 0
_OK = grpc.StatusCode.OK.value[0]
Answer = Callable[[bytes], bytes | CallStatus]
"""Takes a serialised request to a serialised response, or to what to end the call with. Never raises."""
Answers = Callable[[list[bytes]], list[bytes | CallStatus] | None]
"""Takes several requests at once to what `Answer` would give for each, one after the other. Never raises.

Gives None, and has done nothing, where they do not go together.
"""
Refusals = Callable[[Gate, ServerError], CallStatus]
"""Gives what to end a call at a gate with, and counts it."""
_NO_REQUEST = CallStatus(
    status_pb2.Status(code=grpc.StatusCode.UNIMPLEMENTED.value[0], message="one request is required")
)


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """How the calls of a method are answered."""

    answer: Answer
    gate: Gate
    refusals: Refusals
    ready: Callable[[UnaryCall], None]
    """Takes each call whose request has come, on the polling thread, and has it worked for soon."""
    answers: Answers | None = None
    """Answers several at once, where that is faster."""


class UnaryCall:
    """One call that was let in. It gives its place back by itself."""

    __slots__ = ("_call", "_caller", "_deadline", "_due", "_request", "method")

    def __init__(self, method: UnaryMethod, event: Any, caller: str) -> None:
        """Takes grpcio's event of a call that arrived."""
        self.method = method
        self._call = event.call
        self._deadline: float = event.call_details.deadline
        self._caller = caller
        self._request = b""
        self._due = 0  # batches of operations that end the call and have not ended

    def receive(self) -> None:
        """Asks for the request. For the polling thread, while it holds the server's lock."""
        self._call.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), self._received)

    @property
    def size(self) -> int:
        """Bytes of the request."""
        return len(self._request)

    def take(self, _: int) -> list[bytes]:
        """Gives the request to be answered; none when the deadline has passed, and the call is over then."""
        if self._deadline <= time.time():
            self.give([self.method.refusals(self.method.gate, DeadlinePassedError())])
            return []
        return [self._request]

    def give(self, answers: list[bytes | CallStatus]) -> None:
        """Sends the answer to what was taken and gives the place back."""
        for answer in answers:
            try:
                self._end(answer)
            except Exception:
                _LOG.exception("an answer could not be sent")
            finally:
                self.method.gate.leave(self._caller)

    def _received(self, event: Any) -> tuple[None, tuple[()]]:
        request = event.batch_operations[0].message()
        if request is None:  # cancelled, or its caller had nothing to send
            self.method.gate.leave(self._caller)
            self._end(_NO_REQUEST)
        else:
            self._request = request
            self.method.ready(self)
        return None, ()

    def _end(self, answer: bytes | CallStatus) -> None:
        if not isinstance(answer, bytes):
            self._due = 1
            self._call.start_server_batch(refusal_operations(answer), self._ended)
            return
        self._due = 2
        operations = (
            cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),
            cygrpc.SendMessageOperation(answer, _NO_FLAGS),
            cygrpc.SendStatusFromServerOperation(None, _OK, b"", _NO_FLAGS),
        )
        self._call.start_server_batch(operations, self._ended)
        # By itself and behind the answer: together with it the answer leaves 10 µs later.
        self._call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),), self._ended)

    def _ended(self, _: Any) -> tuple[UnaryCall | None, tuple[()]]:
        self._due -= 1
        return None if self._due else self, ()  # with it the call is taken off grpcio's list


def refusal_operations(status: CallStatus) -> tuple[Any, ...]:
    """Gives the operations that end a call with a status in one step."""
    return (
        cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),
        cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),
        cygrpc.SendStatusFromServerOperation(
            status.trailing_metadata, status.code.value[0], status.raw_details, _NO_FLAGS
        ),
    )
