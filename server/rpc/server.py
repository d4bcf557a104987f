"""The gRPC server: which method goes to which endpoint, its options, its start and its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from kuntur.api.v1 import (
    history_service_pb2,
    model_service_pb2,
    outcome_service_pb2,
    scoring_service_pb2,
)
from server.rpc.admission import Gate
from server.rpc.callers import CallerNames
from server.rpc.calls import CallThreads
from server.rpc.edge import Edge
from server.rpc.health import Health
from server.rpc.history import HistoryEndpoint
from server.rpc.methods import ByteMethods
from server.rpc.models import ModelEndpoint
from server.rpc.outcomes import OutcomeEndpoint
from server.rpc.polling import AdmittingServer
from server.rpc.scoring import ScoringEndpoint

_MIN_PING_INTERVAL_MS = 10_000  # strictly below the clients' 30 s, or they would be sent away
_REFLECTION = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)  # alike but for their names
_SETTLE_S = 0.5
_LAST_WAIT_S = 10.0  # for what ends in milliseconds, unless something is wrong
_MOST_WAITING = 4  # calls of one method that gRPC was not asked for; at random up to twice as many


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
        self,
        services: Services,
        edge: Edge,
        health: Health,
        *,
        waits: Callable[[], bool],
        listen_address: str,
        reuse_port: bool,
        control_threads: int,
        caller_metadata_key: str,
        max_message_bytes: int,
        keepalive_s: float,
        max_connection_age_s: float,
        on_death: Callable[[], None],
    ) -> None:
        """Binds the port, alone or with others that reuse it; raises OSError when that cannot be had.

        waits: whether a score may have to wait for something just now. If so a thread waits for it; else
        scores are worked out between the events of gRPC, which saves a call two changes of threads.
        on_death: called when nothing will be answered any more.
        """
        self._admission = edge.admission
        self._health = health
        self._lifetimes = edge.lifetimes
        gates: dict[str, Gate] = {}
        self._threads = CallThreads(
            gates,
            edge.admission.control,
            control_threads=control_threads,
            names=CallerNames(caller_metadata_key),
            refusals=edge.refusal,
        )
        self._methods = ByteMethods(
            edge, self._threads.caller, self._threads.lane(edge.admission.unary), self._threads.frames, waits
        )
        self._server = AdmittingServer(
            self._threads,
            self._threads.admit,
            self._methods,
            on_death=on_death,
            options=(
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", _MIN_PING_INTERVAL_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.keepalive_time_ms", round(keepalive_s * 1000)),
                ("grpc.keepalive_timeout_ms", round(keepalive_s * 1000 / 3)),
                ("grpc.http2.ping_timeout_ms", round(keepalive_s * 1000 / 3)),
                # What is beyond even refusing: gRPC ends it by itself, at random between the two.
                ("grpc.server.max_pending_requests", _MOST_WAITING),
                ("grpc.server.max_pending_requests_hard_limit", 2 * _MOST_WAITING),
                # A connection that lasts for ever stays with the worker it once came to.
                ("grpc.max_connection_age_ms", round(max_connection_age_s * 1000)),
                # A second server on the port is a mistake, unless it is a second worker.
                ("grpc.so_reuseport", int(reuse_port)),
            ),
        )
        health.add_to(self._server)
        # These see bytes: the wire reads them in one pass and the journal keeps them as they came.
        scoring, outcomes = _name(scoring_service_pb2.DESCRIPTOR), _name(outcome_service_pb2.DESCRIPTOR)
        score = edge.unary(services.scoring.score_transaction, "ScoreTransaction")
        together = edge.gathered(services.scoring.score_transactions, "ScoreTransaction")
        self._methods.add_unary(f"/{scoring}/ScoreTransaction", score, short=True, answers=together)
        frame = edge.unary(edge.framed(services.scoring.score_frame), "ScoreStream")
        frames = edge.gathered(edge.framed(services.scoring.score_frames), "ScoreStream")
        self._methods.add_stream(f"/{scoring}/ScoreStream", frame, frames)
        report = edge.unary(services.outcomes.report_outcomes, "ReportOutcomes")
        self._methods.add_unary(f"/{outcomes}/ReportOutcomes", report, short=False)
        methods = _methods(services, edge)
        names = [
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            *_REFLECTION,
            scoring,
            outcomes,
        ]
        methods |= dict.fromkeys(_REFLECTION, _reflection([*names, *methods], edge))
        for name, handlers in methods.items():
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
            for method, handler in handlers.items():
                gate = edge.gates.get(_behaviour(handler))
                if gate is not None:
                    gates[f"/{name}/{method}"] = gate
        try:
            self.port = self._server.add_insecure_port(listen_address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {listen_address}: {error}") from error

    def responsive(self, timeout_s: float) -> bool:
        """Returns whether the thread that answers calls goes on, waiting for it at most for the time."""
        return self._server.pulse.beats(timeout_s)

    def start(self) -> None:
        """Begins to serve."""
        self._lifetimes.start()
        self._server.start()

    def drain(self, *, balancer_wait_s: float, grace_s: float) -> None:
        """Ends serving: NOT_SERVING, then nothing new, then what is in flight, at most for the grace.

        A stream of scores ends with SHUTTING_DOWN after the frame it is at. Others that wait for their
        caller are cut off by gRPC, with UNAVAILABLE too, once nothing else is in flight.
        """
        self._health.going_down()
        time.sleep(balancer_wait_s)
        deadline = time.monotonic() + grace_s
        self._admission.close()
        self._methods.end_streams()
        stopped = self._server.stop(grace_s)
        self._admission.wait_until_idle(deadline)
        # What was computed last is still on its way through gRPC; calls that are left after this wait.
        stopped.wait(min(_SETTLE_S, max(0.0, deadline - time.monotonic())))
        self._server.stop(None).wait(_LAST_WAIT_S)
        self._health.close()
        self._lifetimes.stop()
        self._threads.shutdown()


def _methods(services: Services, edge: Edge) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
    """Gives the handlers that grpcio calls, of each service by its full name."""
    return {
        _name(history_service_pb2.DESCRIPTOR): {
            "Backfill": grpc.stream_unary_rpc_method_handler(edge.stream_to_unary(services.history.backfill))
        },
        _name(model_service_pb2.DESCRIPTOR): {
            "ListModels": _control(edge, services.models.list_models, model_service_pb2.ListModelsRequest),
            "GetModel": _control(edge, services.models.get_model, model_service_pb2.GetModelRequest),
            "GetLiveModel": _control(
                edge, services.models.get_live_model, model_service_pb2.GetLiveModelRequest
            ),
        },
    }


def _name(file: FileDescriptor) -> str:
    (service,) = file.services_by_name.values()
    return str(service.full_name)


def _control(
    edge: Edge, handler: Callable[[Any], Message], request: type[Message]
) -> grpc.RpcMethodHandler[Any, Any]:
    return grpc.unary_unary_rpc_method_handler(
        edge.control(handler),
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


def _behaviour(handler: grpc.RpcMethodHandler[Any, Any]) -> Any:
    """Gives the one that a handler has."""
    return handler.unary_unary or handler.stream_unary or handler.stream_stream


def _reflection(names: list[str], edge: Edge) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    servicer: Any = reflection.ReflectionServicer(names)
    # Through the gate of streams: a caller that keeps reflection open must not take control's threads.
    behaviour = edge.stream_to_stream(lambda requests: servicer.ServerReflectionInfo(requests, None))
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        behaviour,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    return {"ServerReflectionInfo": handler}
