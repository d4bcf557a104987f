"""Unary calls whose handler takes bytes and returns bytes, without what grpcio makes for each call.

grpcio gives a call a state, a condition, a context and a thread that waits for the request, which takes more
time than a score. Here a call is one object and three batches of operations: one receives the request, one
sends the answer, one sees the end. All end on gRPC's polling thread, and work is done there too (see
`server.rpc.core.polling`), unless it may have to wait for something: then a thread does it.

Once the request has come a call is answered even if its caller cancels it: the answer may be on its way by
then anyway.
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

from server.errors import DeadlinePassedError, OverloadedError, ServerError
from server.rpc.admission.compression import TOO_LARGE, OversizedMessageError, Unpacking, is_packed
from server.rpc.admission.gates import Gate
from server.rpc.admission.unread import UnreadAnswers
from server.rpc.admission.waiting import Held, Waiting
from server.rpc.calls.transport import Answer, Answers
from server.rpc.errors import CallStatus

_LOG = structlog.get_logger(__name__)
_NO_FLAGS = 0
_OK = grpc.StatusCode.OK.value[0]
Refusals = Callable[[Gate, ServerError], CallStatus]
"""Returns what to end a call at a gate with, and counts it."""
_NO_REQUEST = CallStatus(
    status_pb2.Status(code=grpc.StatusCode.UNIMPLEMENTED.value[0], message="one request is required")
)


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """How the calls of a method are answered."""

    answer: Answer
    gate: Gate
    refusals: Refusals
    name_of: Callable[[Any], str]
    """Returns the caller of grpcio's event."""
    waiting: Waiting
    """The calls whose requests have not come."""
    unread: UnreadAnswers
    """The calls whose answers have not left."""
    held: Held
    """Bytes of requests that have come."""
    unpacking: Unpacking
    """Decompresses requests."""
    failed: Callable[[ServerError], CallStatus]
    """Returns, and counts, what a call ends with whose answer is not read."""
    put_off: Callable[[UnaryCall, CallStatus], None]
    """Ends a call with a refusal as soon as there is time for one."""
    ready: Callable[[UnaryCall], None]
    """Takes each call whose request has come, on the polling thread, and has it answered soon."""
    answers: Answers | None = None
    """Answers several at once, where that is faster."""


class UnaryCall:
    """One call. It takes a place when its request has come and gives it back when its answer has left."""

    __slots__ = (
        "_call",
        "_caller",
        "_came",
        "_deadline",
        "_due",
        "_event",
        "_inside",
        "_over",
        "_request",
        "method",
        "packed",
    )

    def __init__(self, method: UnaryMethod, event: Any) -> None:
        """Takes grpcio's event of a call that arrived."""
        self.method = method
        self._event = event  # tells the caller's name, where that is needed
        self._call = event.call
        self._deadline: float = event.call_details.deadline
        self._caller = ""
        self._request = b""
        self._came = 0.0  # by time.monotonic
        self.packed = False
        """Whether the request is compressed: then a thread answers it."""
        self._inside = False
        self._over = False  # an end has been sent
        self._due = 0  # batches of operations that end the call and have not ended

    def receive(self) -> None:
        """Asks for the request. For the polling thread, while it holds the server's lock."""
        self.method.waiting.add(self)
        self._due = 1
        self._call.start_server_batch((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), self._received)

    @property
    def size(self) -> int:
        """Bytes of the request."""
        return len(self._request)

    def take(self, _: int) -> list[bytes]:
        """Returns the request to be answered; none when the deadline has passed: the call is over then."""
        gate = self.method.gate
        if not self.packed:  # compressed ones have a queue of their own, however long
            gate.queue.waited(time.monotonic() - self._came)
        if self._deadline <= time.time():
            self.give([self.method.refusals(gate, DeadlinePassedError())])
            return []
        if self.packed:
            try:
                return [self.method.unpacking.message(self._request)]
            except OversizedMessageError:
                self.give([TOO_LARGE])
                return []
        return [self._request]

    def give(self, answers: list[bytes | CallStatus]) -> None:
        """Sends the answer to what was taken."""
        for answer in answers:
            try:
                self.end(answer)
            except Exception:
                _LOG.exception("an answer could not be sent")
                self._leave()

    def give_up(self, error: ServerError) -> None:
        """Ends a call whose request does not come. For the polling thread."""
        self.end(self.method.refusals(self.method.gate, error))

    def refuse(self, status: CallStatus) -> None:
        """Ends a call whose refusal was put off. For the polling thread."""
        self.end(status)

    def peer(self) -> object:
        """Returns what names the connection, the same for all its calls."""
        return self._call.peer()

    def cut(self, error: ServerError) -> None:
        """Ends a call whose answer is not read; what gRPC holds of it is freed with the call."""
        self._call.cancel(self.method.failed(error).code.value[0], str(error))

    def end(self, answer: bytes | CallStatus) -> None:
        """Sends the answer, or ends the call with a status."""
        self._over = True
        if not isinstance(answer, bytes):
            self.method.unread.add(self, len(answer.raw_details), timed=True)
            self._due += 1
            self._call.start_server_batch(refusal_operations(answer), self._ended)
            return
        self.method.unread.add(self, len(answer), timed=True)
        self._due += 2
        operations = (
            cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),
            cygrpc.SendMessageOperation(answer, _NO_FLAGS),
            cygrpc.SendStatusFromServerOperation(None, _OK, b"", _NO_FLAGS),
        )
        self._call.start_server_batch(operations, self._ended)
        # On its own and after the answer: in one batch with it the answer would leave 10 µs later.
        self._call.start_server_batch((cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),), self._ended)

    # What follows is called by gRPC's polling thread when a batch of operations has ended.

    def _received(self, event: Any) -> tuple[UnaryCall | None, tuple[()]]:
        method = self.method
        method.waiting.remove(self)
        request = event.batch_operations[0].message()
        self._due -= 1
        if self._over:  # it was given up in the meantime
            return self._done(), ()
        if request is None:  # cancelled, or its caller had nothing to send
            self.end(_NO_REQUEST)
            return None, ()
        gate = method.gate
        caller = method.name_of(self._event) if gate.counts_callers else ""
        refusal = gate.enter(caller)
        if refusal is not None:
            method.put_off(self, method.refusals(gate, refusal))
            return None, ()
        self._inside, self._caller = True, caller
        if not method.held.add(len(request)):
            method.held.remove(len(request))
            self._leave()
            method.put_off(
                self, method.refusals(gate, OverloadedError("bytes of requests", method.held.most))
            )
            return None, ()
        self._request = request
        self.packed = is_packed(request)
        self._came = time.monotonic()
        if not self.packed:
            gate.queue.came()
        method.ready(self)
        return None, ()

    def _ended(self, _: Any) -> tuple[UnaryCall | None, tuple[()]]:
        self._due -= 1
        return self._done(), ()

    def _done(self) -> UnaryCall | None:
        """Returns the call once all of it has ended: with it grpcio takes the call off its list."""
        if self._due:
            return None
        self.method.unread.remove(self)
        self._leave()
        return self

    def _leave(self) -> None:
        """Frees the place; once."""
        if self._inside:
            self._inside = False
            self.method.held.remove(len(self._request))
            self._request = b""
            self.method.gate.leave(self._caller)


def refusal_operations(status: CallStatus) -> tuple[Any, ...]:
    """Returns the operations that end a call with a status in one step."""
    return (
        cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),
        cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),
        cygrpc.SendStatusFromServerOperation(
            status.trailing_metadata, status.code.value[0], status.raw_details, _NO_FLAGS
        ),
    )
