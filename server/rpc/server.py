"""The gRPC server: which method goes to which endpoint, its start and its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError, Message

from kuntur.api.v1 import (
    history_service_pb2,
    model_service_pb2,
    outcome_service_pb2,
    scoring_service_pb2,
)
from kuntur.wire import MalformedError
from server.host.free_memory import MemoryReturner
from server.rpc.calls.edge import Edge
from server.rpc.calls.transport import Transport
from server.rpc.endpoints.health import HEALTH, Health
from server.rpc.endpoints.history import HistoryEndpoint
from server.rpc.endpoints.models import ModelEndpoint
from server.rpc.endpoints.outcomes import OutcomeEndpoint
from server.rpc.endpoints.reflection import reflection_handlers
from server.rpc.endpoints.scoring import ScoringEndpoint

_LOG = structlog.get_logger(__name__)
_SETTLE_S = 0.5
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Services:
    """The endpoints behind the server's methods."""

    scoring: ScoringEndpoint
    history: HistoryEndpoint
    outcomes: OutcomeEndpoint
    models: ModelEndpoint


class RpcServer:
    """The server on its port."""

    def __init__(
        self, services: Services, edge: Edge, health: Health, transport: Transport, listen_address: str
    ) -> None:
        """Adds every method to a transport and binds the port; raises OSError when that is not possible."""
        self._admission = edge.admission
        self._health = health
        self._lifetimes = edge.lifetimes
        self._memory = MemoryReturner(edge.metrics.held_bytes)
        self._transport = transport
        self.transport = transport.name
        """Which transport serves: fast or plain."""
        names = [
            *_add_byte_methods(transport, services, edge),
            *_add_control(transport, services, edge, health),
        ]
        history = _name(history_service_pb2.DESCRIPTOR)
        backfill: grpc.RpcMethodHandler[Any, Any]
        backfill = grpc.stream_unary_rpc_method_handler(edge.stream_to_unary(services.history.backfill))
        transport.add_handlers(history, {"Backfill": backfill}, edge.admission.streams)
        for name, reflecting in reflection_handlers([*names, history], edge).items():
            transport.add_handlers(name, reflecting, edge.admission.streams)
        transport.add_handlers(HEALTH, {"Watch": health.watching()}, edge.admission.watchers)
        try:
            self.port = transport.bind(listen_address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {listen_address}: {error}") from error

    def responsive(self, timeout_s: float) -> bool:
        """Returns whether the thread that answers calls shows, within the time, that it still runs."""
        return self._transport.responsive(timeout_s)

    def start(self) -> None:
        """Begins to serve."""
        self._lifetimes.start()
        self._memory.start()
        self._transport.start()

    def drain(self, *, balancer_wait_s: float, grace_s: float) -> None:
        """Reports NOT_SERVING, refuses what is new, then waits for what is in flight, at most the grace.

        A stream of scores ends with SHUTTING_DOWN after its current frame. Other streams that wait for their
        callers are cut off by gRPC, with UNAVAILABLE too, once nothing else is in flight.
        """
        self._health.going_down()
        if self._transport.alive:
            time.sleep(balancer_wait_s)
            deadline = time.monotonic() + grace_s
            self._admission.close()
            self._transport.end_streams()
            stopped = self._transport.stop(grace_s)
            self._admission.wait_until_idle(deadline)
            # What was computed last is still on its way through gRPC; calls that are left after this wait.
            stopped.wait(min(_SETTLE_S, max(0.0, deadline - time.monotonic())))
            if not self._transport.stop(None).wait(_STOP_S):
                _LOG.warning("gRPC did not end in time; the process ends without it", waited_s=_STOP_S)
        self._health.close()
        self._lifetimes.stop()
        self._memory.stop()
        self._transport.shut_down()


def _add_byte_methods(transport: Transport, services: Services, edge: Edge) -> list[str]:
    """Adds the methods that see bytes: the wire reads them in one pass, the journal keeps them as they came.

    Returns the names of their services.
    """
    scoring, outcomes = _name(scoring_service_pb2.DESCRIPTOR), _name(outcome_service_pb2.DESCRIPTOR)
    score = edge.unary(services.scoring.score_transaction, "ScoreTransaction")
    together = edge.gathered(services.scoring.score_transactions, "ScoreTransaction")
    transport.add_unary(f"/{scoring}/ScoreTransaction", score, short=True, answers=together)
    frame = edge.unary(edge.framed(services.scoring.score_frame), "ScoreStream")
    frames = edge.gathered(edge.framed(services.scoring.score_frames), "ScoreStream")
    transport.add_stream(f"/{scoring}/ScoreStream", frame, frames)
    report = edge.unary(services.outcomes.report_outcomes, "ReportOutcomes")
    transport.add_unary(f"/{outcomes}/ReportOutcomes", report)
    return [scoring, outcomes]


def _add_control(transport: Transport, services: Services, edge: Edge, health: Health) -> list[str]:
    """Adds the methods of the control plane, which have threads of their own; returns their services."""
    control = _control(services, health)
    for name, handlers in control.items():
        for method, handler in handlers.items():
            transport.add_unary(f"/{name}/{method}", edge.control(handler), gate=edge.admission.control)
    return list(control)


def _control(services: Services, health: Health) -> dict[str, dict[str, Callable[[bytes], Any]]]:
    """Returns the handlers of control calls, of each service by its full name."""
    models = services.models
    requests = model_service_pb2
    return {
        _name(model_service_pb2.DESCRIPTOR): {
            "ListModels": _parsed(requests.ListModelsRequest, models.list_models),
            "GetModel": _parsed(requests.GetModelRequest, models.get_model),
            "GetLiveModel": _parsed(requests.GetLiveModelRequest, models.get_live_model),
        },
        HEALTH: {"Check": health.check, "List": health.list_all},
    }


def _parsed(request: Any, handler: Callable[[Any], Message]) -> Callable[[bytes], bytes]:
    """Returns a handler of bytes around a handler of messages."""

    def handle(raw: bytes) -> bytes:
        try:
            message = request.FromString(raw)
        except DecodeError as error:
            raise MalformedError(f"the request is not a {request.DESCRIPTOR.full_name}") from error
        return bytes(handler(message).SerializeToString())

    return handle


def _name(file: FileDescriptor) -> str:
    (service,) = file.services_by_name.values()
    return str(service.full_name)
