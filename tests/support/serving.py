"""A whole server in the test's process, on a free port of loopback, and stubs to call it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kuntur.api.v1 import (
    history_service_pb2_grpc,
    model_service_pb2_grpc,
    outcome_service_pb2_grpc,
    scoring_service_pb2,
    scoring_service_pb2_grpc,
    transaction_pb2,
)
from kuntur.transaction import Transaction
from kuntur.values import to_proto
from server.app import ServerApp
from server.settings.config import ServerSettings, load_settings
from server.trial.messages import Candidate, Finding
from server.trial.process import TrialLimits, TrialProcess

EVENT_TIME = datetime(2024, 5, 1, 12, tzinfo=UTC)
_PATIENCE_S = 400.0  # the first server on a machine compiles first


@dataclass(frozen=True)
class Stubs:
    """Every service of a server, over one channel."""

    channel: grpc.Channel
    scoring: Any
    outcomes: Any
    history: Any
    models: Any
    health: Any

    def health_of(self, service: str = "") -> str:
        """Returns the health of a service by name."""
        answer = self.health.Check(health_pb2.HealthCheckRequest(service=service))
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


@dataclass(frozen=True)
class RunningServer:
    """A started server and stubs for it."""

    app: ServerApp
    stubs: Stubs
    registry: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.app.port}"

    def wait_until_live(self, version: str) -> None:
        """Waits until a model scores."""
        wait_until(lambda: self.live_version() == version)

    def live_version(self) -> str | None:
        """Returns the version of the model that scores."""
        live = self.app.slot.live
        return live.model.version if live else None


@contextmanager
def stubs_for(address: str, credentials: grpc.ChannelCredentials | None = None) -> Iterator[Stubs]:
    """Connects to a server, in plain text without credentials."""
    options = (("grpc.max_receive_message_length", 16 << 20), ("grpc.use_local_subchannel_pool", 1))
    opened = (
        grpc.insecure_channel(address, options=options)
        if credentials is None
        else grpc.secure_channel(address, credentials, options=options)
    )
    with opened as channel:
        yield Stubs(
            channel,
            scoring_service_pb2_grpc.ScoringServiceStub(channel),
            outcome_service_pb2_grpc.OutcomeServiceStub(channel),
            history_service_pb2_grpc.HistoryServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
            health_pb2_grpc.HealthStub(channel),
        )


def settings_for(registry: Path, **overrides: Any) -> ServerSettings:
    """Returns settings for a test: a free port, a small history, a registry looked at often."""
    base: dict[str, Any] = {
        "listen_address": "127.0.0.1:0",
        "registry_path": registry,
        "models": {"poll_interval_s": 0.01, "max_call_ms": 1000.0},  # on a machine that is busy, too
        "history": {"recent_transactions": 4096},
        "shutdown": {"grace_s": 5.0},
    }
    for section, values in overrides.items():
        base[section] = {**base.get(section, {}), **values} if isinstance(values, dict) else values
    limits = base.setdefault("limits", {})
    # One client is all callers here: it may take the whole, unless a test says otherwise.
    limits.setdefault("max_unary_per_caller", limits.get("max_unary_in_flight", 1024))
    limits.setdefault("max_streams_per_caller", limits.get("max_streams", 512))
    # Beside other processes every queue may stand for a while.
    limits.setdefault("target_wait_s", 10.0)
    return load_settings(None, base)


class _SharedTrial(TrialProcess):
    """Tries the models of all servers of this process, which each would start a process for it."""

    def __init__(self) -> None:
        # On a machine that is busy, too.
        super().__init__(TrialLimits(seconds=120.0, bytes=2 << 30, call_s=1.0))
        self._one_at_a_time = threading.Lock()

    def __call__(self, candidate: Candidate) -> Finding:
        with self._one_at_a_time:
            return super().__call__(candidate)

    def stop(self) -> None:
        """Goes on for the other servers; the kernel ends its process with this one."""


@cache
def shared_trial() -> TrialProcess:
    """Returns what tries models for whoever changes nothing of it."""
    return _SharedTrial()


@contextmanager
def running_server(registry: Path, **overrides: Any) -> Iterator[RunningServer]:
    """Runs a server while the block lasts; overrides are settings, nested as in the file."""
    settings, trial = settings_for(registry, **overrides), shared_trial()
    with ServerApp(settings, trial=trial) as app, stubs_for(f"127.0.0.1:{app.port}") as stubs:
        yield RunningServer(app, stubs, registry)


def wait_until(holds: Callable[[], bool]) -> None:
    """Waits until something holds; fails when it never does."""
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


def transaction(transaction_id: str = "t-1", **changes: Any) -> transaction_pb2.Transaction:
    """Returns a message that keeps every rule, with some fields changed."""
    fields: dict[str, Any] = {
        "event_time": EVENT_TIME,
        "account_id": "a-1",
        "amount_minor": 12_345,
        "currency_code": "PEN",
        "merchant_id": "m-1",
        "merchant_category_code": "5411",
        "merchant_country_code": "PE",
        "device_id": "d-1",
    }
    return to_proto(Transaction(transaction_id=transaction_id, **(fields | changes)))


def unary(message: transaction_pb2.Transaction) -> scoring_service_pb2.ScoreTransactionRequest:
    """Returns the request for one score."""
    return scoring_service_pb2.ScoreTransactionRequest(transaction=message)


def frame(*messages: transaction_pb2.Transaction) -> scoring_service_pb2.ScoreStreamRequest:
    """Returns a frame of a stream."""
    return scoring_service_pb2.ScoreStreamRequest(transactions=messages)


@dataclass(frozen=True)
class Failure:
    """A status, opened."""

    code: int
    message: str
    reason: str
    metadata: dict[str, str]
    fields: list[str]
    retried: bool


def failure(source: grpc.RpcError | status_pb2.Status) -> Failure:
    """Opens the status of a failed call, or of a failed item."""
    status = source if isinstance(source, status_pb2.Status) else _status_of(source)
    info = _detail(status, error_details_pb2.ErrorInfo())
    request = _detail(status, error_details_pb2.BadRequest())
    return Failure(
        code=status.code,
        message=status.message,
        reason=info.reason if info else "",
        metadata=dict(info.metadata) if info else {},
        fields=[v.field for v in request.field_violations] if request else [],
        retried=_detail(status, error_details_pb2.RetryInfo()) is not None,
    )


def _status_of(error: Any) -> status_pb2.Status:
    trailers = dict(error.trailing_metadata() or ())
    raw = trailers.get("grpc-status-details-bin")
    if raw is not None:
        status = status_pb2.Status.FromString(raw)
        assert (status.code, status.message) == (error.code().value[0], error.details())
        return status
    return status_pb2.Status(code=error.code().value[0], message=error.details())


def _detail(status: status_pb2.Status, message: Message) -> Any:
    for detail in status.details:
        if detail.Is(message.DESCRIPTOR):
            detail.Unpack(message)
            return message
    return None
