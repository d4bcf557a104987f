"""What every call has around it: a clock, the table of errors, and for streams a lifetime.

Which gate a method stands behind is said where it is added (`server.rpc.server`); the transport has its
calls pass it before the handler runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import grpc
from google.rpc import status_pb2

from server.access import ANYONE, Caller, Guard, SecurityLog
from server.access.guard import Certificate
from server.errors import (
    AccessDeniedError,
    IdentityUnknownError,
    InstitutionForeignError,
    RoleMissingError,
    ServerError,
    TokenInvalidError,
)
from server.rpc.admission.compression import TOO_LARGE, OversizedMessageError
from server.rpc.admission.gates import Admission, Frames, Gate
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.calls.transport import Answer, Answers
from server.rpc.errors import CallStatus, ErrorTable, abort, reason_of
from server.telemetry.metrics import ServerMetrics

UnaryHandler = Callable[[bytes, Caller], bytes]
GatheredHandler = Callable[[list[bytes], list[Caller]], Sequence[bytes | Exception] | None]
"""Returns the outcome of each of several requests; None, with nothing done, where they cannot go together."""
CERTIFICATE = "x509_pem_cert"
"""Under which gRPC's auth context has the peer's certificate."""
_FOREIGN = "INSTITUTION_FOREIGN"
ControlHandler = Callable[[bytes], bytes | status_pb2.Status]
Behaviour = Callable[[Any, grpc.ServicerContext], Any]
StreamHandler = Callable[[Iterator[Any]], Iterator[Any]]
Metadata = Iterable[tuple[str, str | bytes]]


class Edge:
    """Turns handlers that know neither codes nor contexts into behaviours of gRPC."""

    def __init__(
        self,
        admission: Admission,
        table: ErrorTable,
        metrics: ServerMetrics,
        lifetimes: Lifetimes,
        guard: Guard | None = None,
    ) -> None:
        """Takes the parts; guard: None where nobody is asked who they are."""
        self.guard = guard
        self._security = SecurityLog()
        self.admission = admission
        self.table = table
        self.metrics = metrics
        self.lifetimes = lifetimes
        # The same few refusals recur, and mostly when there is no time to make them anew.
        self._refusals: dict[tuple[str, str], tuple[CallStatus, str]] = {}

    def unary(self, handler: UnaryHandler, method: str) -> Answer:
        """Returns a handler that is timed under `method` and turns errors into statuses."""
        clock, answered = time.perf_counter, self.metrics.answered

        def answer(request: bytes, caller: Caller) -> bytes | CallStatus:
            start = clock()
            try:
                response = handler(request, caller)
            except Exception as error:
                return self._failed(error, method, caller)
            answered(method, clock() - start)
            return response

        return answer

    def gathered(self, handler: GatheredHandler, method: str) -> Answers:
        """Returns the same for several requests at once; each is taken to last as long as all."""
        clock, answered = time.perf_counter, self.metrics.answered

        def answers(requests: list[bytes], callers: list[Caller]) -> list[bytes | CallStatus] | None:
            start = clock()
            outcomes: Sequence[bytes | Exception] | None
            try:
                outcomes = handler(requests, callers)
            except Exception as error:
                outcomes = [error] * len(requests)
            if outcomes is None:
                return None
            seconds = clock() - start
            given: list[bytes | CallStatus] = []
            for outcome, caller in zip(outcomes, callers, strict=True):
                if isinstance(outcome, bytes):
                    answered(method, seconds)
                    given.append(outcome)
                else:
                    given.append(self._failed(outcome, method, caller))
            return given

        return answers

    def framed(self, handler: UnaryHandler, method: str) -> UnaryHandler:
        """Makes a frame's handler raise once the server is shutting down; until then the server waits for it.

        method: full name; who may no longer call it gets no frame answered either.
        """
        frames = self.admission.frames

        def handle(request: bytes, caller: Caller) -> bytes:
            with frames:
                return handler(request, self.renewed(caller, method))

        return handle

    def framed_together(self, handler: GatheredHandler, method: str) -> GatheredHandler:
        """Does the same for several frames; those of callers whose rights changed go one by one."""
        frames = self.admission.frames

        def handle(requests: list[bytes], callers: list[Caller]) -> Sequence[bytes | Exception] | None:
            with frames:
                if any(self.renewed(caller, method) is not caller for caller in callers):
                    return None
                return handler(requests, callers)

        return handle

    def admit(
        self,
        gate: Gate,
        method: str,
        metadata: Metadata,
        certificate: Certificate,
        peer: Callable[[], str],
    ) -> Caller | CallStatus:
        """Returns who makes a call, or what to end it with. Never waits, and reads nothing of the request.

        Args:
            gate: That of the method, under whose name it is counted.
            method: Full name, with slashes.
            metadata: Those of the call.
            certificate: Gives the peer's certificate.
            peer: Gives the peer's address, for the log.
        """
        guard = self.guard
        if guard is None:
            return ANYONE
        try:
            authorization = _authorization(metadata)
            known = guard.recall(method, authorization)
            return guard.admit(method, certificate, authorization) if known is None else known
        except ServerError as error:
            return self._denied(gate, method, error, peer)
        except Exception as error:  # a fault of the guard lets nobody in, and ends no thread
            return self.status(error)

    def admitted(self, gate: Gate, method: str, context: grpc.ServicerContext) -> Caller:
        """Returns who makes a call of grpcio's, or ends it."""
        if self.guard is None:
            return ANYONE
        caller = self.admit(
            gate,
            method,
            context.invocation_metadata() or (),
            lambda: _certificate(context),
            context.peer,
        )
        return caller if isinstance(caller, Caller) else abort(context, caller)

    def renewed(self, caller: Caller, method: str) -> Caller:
        """Returns a caller with the rights of now. Raises AccessDeniedError where those have gone."""
        if self.guard is None or caller.bindings is self.guard.bindings:
            return caller
        return self.guard.renewed(caller, method)

    def control(self, handler: ControlHandler) -> Answer:
        """Returns a handler of the control plane that turns errors into statuses."""

        def answer(request: bytes, _: Caller) -> bytes | CallStatus:
            try:
                response = handler(request)
            except Exception as error:
                return self.status(error)
            return response if isinstance(response, bytes) else CallStatus(response)

        return answer

    def stream_to_stream(self, handler: StreamHandler, method: str) -> Behaviour:
        """Returns the behaviour of a handler of streams, decompressed, for as long as a stream may last."""

        def behave(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            # It was let in by who it is; this looks that up, for how long it may last.
            caller = self.admitted(self.admission.streams, method, context)
            try:
                with (
                    self.lifetimes.limited(requests, context, caller) as limited,
                    self._unpacked(limited) as messages,
                ):
                    yield from handler(messages)
            except grpc.RpcError:
                raise  # the caller disconnected; gRPC needs this very exception back, or it leaks the call
            except Exception as error:
                status = self.status(error)  # and not the error, whose traceback holds the message
            else:
                return
            abort(context, status)

        return behave

    def stream_to_unary(self, handler: Callable[[Iterator[Any], Caller], Any], method: str) -> Behaviour:
        """Returns the same for a stream of requests with one response."""

        def behave(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            caller = self.admitted(self.admission.streams, method, context)  # as above
            try:
                with (
                    self.lifetimes.limited(requests, context, caller) as limited,
                    self._unpacked(limited) as messages,
                ):
                    return handler(messages, caller)
            except grpc.RpcError:
                raise  # as above
            except Exception as error:
                status = self.status(error)  # and not the error, whose traceback holds the message
            return abort(context, status)

        return behave

    def frame(self) -> Frames:
        """Returns the gate of frames, which raises once the server is shutting down."""
        return self.admission.frames

    def refusal(self, gate: Gate, error: ServerError) -> CallStatus:
        """Returns what to end a call at a gate with, and counts it."""
        key = (gate.resource, str(error))
        found = self._refusals.get(key)
        if found is None:
            status = self.table.status(error)
            found = self._refusals[key] = (CallStatus(status), reason_of(status))
        self.metrics.refused(gate.resource, found[1])
        return found[0]

    def _denied(self, gate: Gate, method: str, error: ServerError, peer: Callable[[], str]) -> CallStatus:
        """Returns what to end a call with that its caller may not make; counts it and writes it down."""
        if isinstance(error, IdentityUnknownError | RoleMissingError):
            status = self.table.status(error)  # with the identity in it, of which there are many
            told, reason = CallStatus(status), reason_of(status)
            self.metrics.refused(gate.resource, reason)
            facts = {"identity": error.identity}
        else:
            told, reason, facts = self.refusal(gate, error), self._refusals[gate.resource, str(error)][1], {}
        self.metrics.access_refused(reason)
        self._security.refused(reason, method=method, peer=peer(), **facts)
        return told

    def foreign(self, caller: Caller, institutions: Collection[str], method: str) -> None:
        """Counts items of institutions that their sender does not act for, and writes one of them down."""
        if institutions:
            self.metrics.access_refused(_FOREIGN, len(institutions))
            institution_id = next(iter(institutions))
            self._security.refused(
                _FOREIGN, method=method, identity=caller.identity, institution_id=institution_id
            )

    def _failed(self, error: Exception, method: str, caller: Caller) -> CallStatus:
        """Returns what to end a call with whose handler failed."""
        if isinstance(error, InstitutionForeignError):
            self._security.refused(
                _FOREIGN, method=method, identity=caller.identity, institution_id=error.institution_id
            )
        return self.status(error)

    def _unpacked(self, messages: Iterator[bytes]) -> closing[Generator[bytes, None, None]]:
        """Returns messages decompressed, to be closed: a handler that fails at one would keep its turn."""
        return closing(self.admission.unpacking.each(messages))

    def status(self, error: Exception) -> CallStatus:
        """Returns what to end a call with, and counts it."""
        if isinstance(error, OversizedMessageError):
            return TOO_LARGE
        status = self.table.status(error)
        self.metrics.failed(reason_of(status))
        if isinstance(error, AccessDeniedError):
            self.metrics.access_refused(reason_of(status))
        return CallStatus(status)


def _authorization(metadata: Metadata) -> str | None:
    """Returns the metadata of that name. Raises TokenInvalidError where there are several."""
    found: str | None = None
    for key, value in metadata:
        if key == "authorization":
            if found is not None or not isinstance(value, str):
                raise TokenInvalidError("should come alone, as text")
            found = value
    return found


def _certificate(context: grpc.ServicerContext) -> bytes | None:
    """Returns the certificate of a peer, PEM; None: it showed none."""
    shown: Any = context.auth_context().get(CERTIFICATE)  # a list, whatever the stubs say
    return bytes(shown[0]) if shown else None
