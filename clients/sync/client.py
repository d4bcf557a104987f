"""The client that waits for its answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from clients.config import ClientConfig
from clients.credentials import explanation_for
from clients.errors import DeadlineExceeded, KunturError, Overloaded, Unavailable
from clients.stubs import Stubs
from clients.sync.channel import open_channel
from clients.sync.frames import FrameStream
from clients.sync.streaming import streamed_scores
from clients.values.counts import at_least_one
from clients.values.history import (
    MAX_FRAME_TRANSACTIONS,
    BackfillReport,
    backfill_requests,
    report_from_proto,
)
from clients.values.models import Model, model_from_proto
from clients.values.outcomes import (
    Outcome,
    OutcomeFailure,
    OutcomeReport,
    failures_from_proto,
    outcome_requests,
)
from clients.values.scores import ItemError, Score, score_from_proto
from kuntur.api.v1 import history_service_pb2, model_service_pb2, outcome_service_pb2, scoring_service_pb2
from kuntur.scores import ReasonsMode
from kuntur.transaction import Transaction
from kuntur.values import to_proto

FIRST_POLL_SECONDS = 0.05
LAST_POLL_SECONDS = 1.0


class Client:
    """Speaks to one server; safe to share between threads, and cheap only when shared.

    Every call raises a KunturError when it fails. Unary calls have a deadline (`ClientConfig`, or
    `timeout_seconds` of the call) and are repeated while the server is unavailable or overloaded.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        config: ClientConfig | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Opens a channel to `server` (HOST:PORT; None: that of the config).

        credentials: Instead of what the config says of TLS, certificates and tokens.

        Raises UnusableCredentials when a file of certificates or the token cannot be used, ValueError when
        the config would send a token in plain text.
        """
        self.config = config or ClientConfig()
        target = server or self.config.server
        self._channel = open_channel(self.config, target, credentials)
        self._stubs = Stubs(self._channel, target, explanation_for(self.config))

    def score(
        self,
        transaction: Transaction,
        *,
        reasons: ReasonsMode = ReasonsMode.REVIEWED,
        timeout_seconds: float | None = None,
    ) -> Score:
        """Scores one transaction. One the server still knows gets its first answer again."""
        request = scoring_service_pb2.ScoreTransactionRequest(
            transaction=to_proto(transaction), reasons_mode=reasons.to_proto()
        )
        timeout = self._timeout(timeout_seconds)
        return score_from_proto(self._answer(self._stubs.scoring.ScoreTransaction, request, timeout).score)

    def score_many(
        self,
        transactions: Sequence[Transaction],
        *,
        frame_transactions: int = 256,
        max_in_flight_frames: int = 8,
        reasons: ReasonsMode = ReasonsMode.REVIEWED,
    ) -> list[Score | ItemError]:
        """Scores transactions, oldest first, and returns one answer for each, in their order."""
        return list(
            self.score_stream(
                transactions,
                frame_transactions=frame_transactions,
                max_in_flight_frames=max_in_flight_frames,
                reasons=reasons,
            )
        )

    def score_stream(
        self,
        transactions: Iterable[Transaction],
        *,
        frame_transactions: int = 256,
        max_in_flight_frames: int = 8,
        reasons: ReasonsMode = ReasonsMode.REVIEWED,
    ) -> Iterator[Score | ItemError]:
        """Scores transactions, oldest first, as they are taken from the iterable; answers in their order.

        Reads ahead by at most the frames in flight and one. An answer is given out no later than the
        next frame goes; for transactions that trickle in, use `PackingScorer`.

        Raises ValueError, at once, when a frame would hold, or there would be in flight, less than 1.
        Raises KunturError when the stream breaks, after every answer that came before.
        """
        at_least_one(frame_transactions=frame_transactions, max_in_flight_frames=max_in_flight_frames)
        return streamed_scores(self._stubs, transactions, frame_transactions, max_in_flight_frames, reasons)

    def frame_stream(
        self, max_in_flight_frames: int = 8, *, reasons: ReasonsMode = ReasonsMode.REVIEWED
    ) -> FrameStream:
        """Opens a ScoreStream for frames of wire messages; the caller closes it."""
        return FrameStream(self._stubs, max_in_flight_frames, reasons)

    def report_outcomes(
        self, outcomes: Sequence[Outcome], *, timeout_seconds: float | None = None
    ) -> OutcomeReport:
        """Reports what transactions turned out to be, in calls of at most 4,096. Safe to repeat."""
        accepted_count = 0
        failures: list[OutcomeFailure] = []
        for part, request in outcome_requests(outcomes):
            response = self.send_outcomes(request, timeout_seconds=timeout_seconds)
            accepted_count += response.accepted_count
            failures += failures_from_proto(response, part)
        return OutcomeReport(accepted_count, tuple(failures))

    def models(self, *, timeout_seconds: float | None = None) -> list[Model]:
        """Lists the models of the registry, newest first."""
        request = model_service_pb2.ListModelsRequest()
        timeout = self._timeout(timeout_seconds)
        response = self._answer(self._stubs.model.ListModels, request, timeout)
        return [model_from_proto(each) for each in response.models]

    def model(self, model_version: str, *, timeout_seconds: float | None = None) -> Model:
        """Returns one model. Raises ModelNotFound."""
        request = model_service_pb2.GetModelRequest(model_version=model_version)
        timeout = self._timeout(timeout_seconds)
        return model_from_proto(self._answer(self._stubs.model.GetModel, request, timeout).model)

    def live_model(self, *, timeout_seconds: float | None = None) -> Model:
        """Returns the model that scores. Raises NoLiveModel."""
        request = model_service_pb2.GetLiveModelRequest()
        timeout = self._timeout(timeout_seconds)
        return model_from_proto(self._answer(self._stubs.model.GetLiveModel, request, timeout).model)

    def backfill(
        self, transactions: Iterable[Transaction], *, frame_transactions: int = MAX_FRAME_TRANSACTIONS
    ) -> BackfillReport:
        """Adds past transactions, oldest first, to the history without scoring them.

        Repeating it counts nothing twice while the server still knows them all: it keeps as many as
        its setting `recent_transactions`, 2,097,152 by default; more than that, sent twice, are counted
        twice. Raises ValueError when a frame would hold less than 1.
        """
        return report_from_proto(self.send_history(backfill_requests(transactions, frame_transactions)))

    def send_outcomes(
        self, request: outcome_service_pb2.ReportOutcomesRequest, *, timeout_seconds: float | None = None
    ) -> outcome_service_pb2.ReportOutcomesResponse:
        """Reports outcomes that are wire messages already."""
        timeout = self.config.bulk_timeout_seconds if timeout_seconds is None else timeout_seconds
        response: outcome_service_pb2.ReportOutcomesResponse
        response = self._answer(self._stubs.outcome.ReportOutcomes, request, timeout)
        return response

    def send_history(
        self, requests: Iterator[history_service_pb2.BackfillRequest]
    ) -> history_service_pb2.BackfillResponse:
        """Backfills frames that are wire messages already. Has no deadline."""
        response: history_service_pb2.BackfillResponse
        response = self._answer(self._stubs.history.Backfill, requests, None)
        return response

    def wait_until_ready(self, timeout_seconds: float) -> Model:
        """Waits until the server answers with a live model, and returns that model.

        Raises what the server last said (NoLiveModel, Overloaded, Unavailable) when `timeout_seconds` go
        by first, and DeadlineExceeded when it said nothing.
        """
        give_up_at = time.monotonic() + timeout_seconds
        pause = FIRST_POLL_SECONDS
        said: KunturError | None = None
        while True:
            left = give_up_at - time.monotonic()
            try:
                return self.live_model(timeout_seconds=max(left, FIRST_POLL_SECONDS))
            except (Unavailable, Overloaded, DeadlineExceeded) as error:
                if said is None or not isinstance(error, DeadlineExceeded):
                    said = error
                pause = max(pause, error.retry_after_seconds or 0.0)
                if time.monotonic() + pause >= give_up_at:
                    raise said from None
            time.sleep(pause)
            pause = min(2 * pause, LAST_POLL_SECONDS)

    def close(self) -> None:
        """Ends the channel; every call that is still open, and every later one, raises Cancelled."""
        self._stubs.closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _timeout(self, timeout_seconds: float | None) -> float:
        return self.config.timeout_seconds if timeout_seconds is None else timeout_seconds

    def _answer(self, method: Callable[..., Any], request: object, timeout_seconds: float | None) -> Any:
        """Calls the server and turns a failure into a KunturError; the stubs carry no types."""
        with self._stubs.call():
            return method(request, timeout=timeout_seconds)
