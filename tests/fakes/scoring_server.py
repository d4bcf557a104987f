"""A scoring server in memory, on a real gRPC server at a free port of this machine.

It speaks the whole contract, keeps a log of what arrived in which order, and does what a test tells
it: refuse single transactions, fail whole methods, hold answers back, break streams.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from kuntur.api.v1 import (
    history_service_pb2,
    history_service_pb2_grpc,
    model_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    outcome_service_pb2,
    outcome_service_pb2_grpc,
    score_pb2,
    scoring_service_pb2,
    scoring_service_pb2_grpc,
    transaction_pb2,
)

CODES = {code.value[0]: code for code in grpc.StatusCode}


def status(
    code: grpc.StatusCode,
    reason: str = "",
    message: str = "as the test asked",
    *,
    metadata: dict[str, str] | None = None,
    violations: tuple[tuple[str, str], ...] = (),
    retry_after_ms: int | None = None,
) -> status_pb2.Status:
    """Returns a status as the server builds it: ErrorInfo, BadRequest, RetryInfo."""
    details: list[Any] = []
    if reason:
        details.append(error_details_pb2.ErrorInfo(reason=reason, domain="kuntur", metadata=metadata or {}))
    if violations:
        request = error_details_pb2.BadRequest()
        for path, description in violations:
            request.field_violations.add(field=path, description=description)
        details.append(request)
    if retry_after_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_after_ms)
        details.append(retry)
    made = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        made.details.append(packed)
    return made


@dataclass(frozen=True)
class Arrival:
    """One message that arrived: which method, and the transaction ids in it."""

    method: str
    transaction_ids: tuple[str, ...]


@dataclass
class Behaviour:
    """What a test may set before or while the server runs."""

    failures: dict[str, list[status_pb2.Status]] = field(default_factory=dict)
    """By method: statuses that its next calls end with, one a call."""

    always: dict[str, status_pb2.Status] = field(default_factory=dict)
    """By method: the status that each of its calls ends with."""

    refused: dict[str, status_pb2.Status] = field(default_factory=dict)
    """By transaction id: the status it gets in place of a score, or its outcome's refusal."""

    probabilities: dict[str, float] = field(default_factory=dict)
    """By transaction id: its probability; 0.25 for others."""

    answering: threading.Event = field(default_factory=threading.Event)
    """Cleared: frames are taken and not answered until it is set."""

    frames_until_break: int | None = None
    """Frames that a stream answers before it ends with UNAVAILABLE; None: it never does."""

    end_in_good_order: bool = False
    """Whether a broken stream ends with OK instead."""

    end_unasked: bool = False
    """Whether a stream breaks with its last answer instead, and waits for no further frame."""

    results_short_by: int = 0
    """Results that each answer lacks, against the contract."""

    models: list[model_pb2.Model] = field(default_factory=list)


class FakeServer:
    """The server; use it as a context manager. `address` is HOST:PORT."""

    def __init__(self, *, worker_count: int = 16, credentials: grpc.ServerCredentials | None = None) -> None:
        self.behaviour = Behaviour()
        self.behaviour.answering.set()
        self.behaviour.models.append(
            model_pb2.Model(model_version="m-1", state=model_pb2.MODEL_STATE_LIVE, algorithm="xgboost")
        )
        self.log: list[Arrival] = []
        self.stream_count = 0
        self.reasons_modes: list[int] = []  # of each call and frame, as it came
        self.callers: list[str | None] = []  # of each call, the common name in its caller's certificate
        self.authorizations: list[str | None] = []  # of each call, what came with it as authorization
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._server = grpc.server(ThreadPoolExecutor(worker_count))
        scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server(_Scoring(self), self._server)
        outcome_service_pb2_grpc.add_OutcomeServiceServicer_to_server(_Outcomes(self), self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(self), self._server)
        history_service_pb2_grpc.add_HistoryServiceServicer_to_server(_History(self), self._server)
        if credentials is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            port = self._server.add_secure_port("127.0.0.1:0", credentials)
        self.address = f"127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.behaviour.answering.set()
        self._server.stop(grace=None).wait()

    def arrivals(self, *methods: str) -> list[Arrival]:
        """Returns what arrived, in order, of the given methods or of all."""
        with self._lock:
            return [each for each in self.log if not methods or each.method in methods]

    def record(self, method: str, transaction_ids: list[str]) -> None:
        """Writes the log."""
        with self._lock:
            self.log.append(Arrival(method, tuple(transaction_ids)))

    def fail_if_asked(self, method: str, context: grpc.ServicerContext) -> None:
        """Notes who calls, and ends the call when the test wants its method to fail."""
        (name,) = context.auth_context().get("x509_common_name", [None])
        metadata = dict(context.invocation_metadata())
        with self._lock:
            self.callers.append(None if name is None else name.decode())
            self.authorizations.append(metadata.get("authorization"))
            queue = self.behaviour.failures.get(method)
            wanted = queue.pop(0) if queue else self.behaviour.always.get(method)
        if wanted is not None:
            abort(context, wanted)

    def learn(self, transaction_id: str) -> bool:
        """Counts a transaction; says whether it is new."""
        with self._lock:
            new = transaction_id not in self._known
            self._known.add(transaction_id)
            return new

    def knows(self, transaction_id: str) -> bool:
        """Says whether a transaction was scored or backfilled."""
        with self._lock:
            return transaction_id in self._known

    def result(self, transaction: transaction_pb2.Transaction) -> score_pb2.ScoreResult:
        """Returns the answer to one transaction."""
        refused = self.behaviour.refused.get(transaction.transaction_id)
        if refused is not None:
            return score_pb2.ScoreResult(status=refused)
        replayed = not self.learn(transaction.transaction_id)
        probability = self.behaviour.probabilities.get(transaction.transaction_id, 0.25)
        decision = (
            score_pb2.DECISION_DECLINE
            if probability >= 0.9
            else score_pb2.DECISION_REVIEW
            if probability >= 0.5
            else score_pb2.DECISION_APPROVE
        )
        return score_pb2.ScoreResult(
            score=score_pb2.Score(
                transaction_id=transaction.transaction_id,
                fraud_probability=probability,
                decision=decision,
                reasons=[
                    score_pb2.Reason(
                        feature="amount_log", value=3.5, contribution=0.7, description="An unusual amount."
                    )
                ],
                model_version="m-1",
                replayed=replayed,
            )
        )


def abort(context: grpc.ServicerContext, wanted: status_pb2.Status) -> None:
    """Ends a call with a rich status, as the server does."""
    context.set_trailing_metadata((("grpc-status-details-bin", wanted.SerializeToString()),))
    context.abort(CODES[wanted.code], wanted.message)


class _Scoring(scoring_service_pb2_grpc.ScoringServiceServicer):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def ScoreTransaction(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._server.record("ScoreTransaction", [request.transaction.transaction_id])
        self._server.reasons_modes.append(request.reasons_mode)
        self._server.fail_if_asked("ScoreTransaction", context)
        self._server.behaviour.answering.wait(30)
        result = self._server.result(request.transaction)
        if result.HasField("status"):
            abort(context, result.status)
        return scoring_service_pb2.ScoreTransactionResponse(score=result.score)

    def ScoreStream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        self._server.stream_count += 1
        self._server.fail_if_asked("ScoreStream", context)
        behaviour = self._server.behaviour
        for answered, request in enumerate(requests):
            self._server.record("ScoreStream", [each.transaction_id for each in request.transactions])
            self._server.reasons_modes.append(request.reasons_mode)
            behaviour.answering.wait(30)
            if answered == behaviour.frames_until_break:
                break
            results = [self._server.result(each) for each in request.transactions]
            yield scoring_service_pb2.ScoreStreamResponse(
                results=results[: len(results) - behaviour.results_short_by]
            )
            if behaviour.end_unasked and answered + 1 == behaviour.frames_until_break:
                break
        else:
            return
        if not behaviour.end_in_good_order:
            abort(context, status(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", retry_after_ms=500))


class _Outcomes(outcome_service_pb2_grpc.OutcomeServiceServicer):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def ReportOutcomes(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._server.record("ReportOutcomes", [each.transaction_id for each in request.outcomes])
        self._server.fail_if_asked("ReportOutcomes", context)
        response = outcome_service_pb2.ReportOutcomesResponse()
        for index, outcome in enumerate(request.outcomes):
            refused = self._server.behaviour.refused.get(outcome.transaction_id)
            if refused is None and not self._server.knows(outcome.transaction_id):
                refused = status(grpc.StatusCode.NOT_FOUND, "TRANSACTION_NOT_FOUND")
            if refused is None:
                response.accepted_count += 1
            else:
                response.failures.add(index=index, status=refused)
        return response


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def ListModels(self, _request: Any, context: grpc.ServicerContext) -> Any:
        self._server.fail_if_asked("ListModels", context)
        return model_service_pb2.ListModelsResponse(models=self._server.behaviour.models)

    def GetModel(self, request: Any, context: grpc.ServicerContext) -> Any:
        for model in self._server.behaviour.models:
            if model.model_version == request.model_version:
                return model_service_pb2.GetModelResponse(model=model)
        abort(context, status(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"))
        return None

    def GetLiveModel(self, _request: Any, context: grpc.ServicerContext) -> Any:
        self._server.record("GetLiveModel", [])
        self._server.fail_if_asked("GetLiveModel", context)
        for model in self._server.behaviour.models:
            if model.state == model_pb2.MODEL_STATE_LIVE:
                return model_service_pb2.GetLiveModelResponse(model=model)
        abort(context, status(grpc.StatusCode.UNAVAILABLE, "NO_LIVE_MODEL", retry_after_ms=20))
        return None


class _History(history_service_pb2_grpc.HistoryServiceServicer):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def Backfill(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        self._server.fail_if_asked("Backfill", context)
        response = history_service_pb2.BackfillResponse()
        index = 0
        for request in requests:
            self._server.record("Backfill", [each.transaction_id for each in request.transactions])
            for transaction in request.transactions:
                refused = self._server.behaviour.refused.get(transaction.transaction_id)
                if refused is not None:
                    response.refused_count += 1
                    response.failures.add(index=index, status=refused)
                elif self._server.learn(transaction.transaction_id):
                    response.accepted_count += 1
                else:
                    response.repeated_count += 1
                index += 1
        return response
