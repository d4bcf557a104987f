"""The asyncio twin of `clients.sync.client`: the same verbs, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from clients.aio.channel import open_channel
from clients.aio.frames import AsyncFrameStream
from clients.aio.streaming import streamed_scores
from clients.config import ClientConfig
from clients.credentials import explanation_for
from clients.errors import DeadlineExceeded, KunturError, Overloaded, Unavailable
from clients.stubs import Stubs
from clients.sync.client import FIRST_POLL_SECONDS, LAST_POLL_SECONDS
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
from kuntur.api.v1 import model_service_pb2, scoring_service_pb2
from kuntur.scores import ReasonsMode
from kuntur.transaction import Transaction
from kuntur.values import to_proto


class AsyncClient:
    """Speaks to one server from one event loop; make it inside the loop and share it between tasks.

    Deadlines, retries and errors are those of `Client`.
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

    async def score(
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
        return score_from_proto(
            (await self._answer(self._stubs.scoring.ScoreTransaction, request, timeout)).score
        )

    async def score_many(
        self,
        transactions: Sequence[Transaction],
        *,
        frame_transactions: int = 256,
        max_in_flight_frames: int = 8,
        reasons: ReasonsMode = ReasonsMode.REVIEWED,
    ) -> list[Score | ItemError]:
        """Scores transactions, oldest first, and returns one answer for each, in their order."""
        scores = self.score_stream(
            transactions,
            frame_transactions=frame_transactions,
            max_in_flight_frames=max_in_flight_frames,
            reasons=reasons,
        )
        return [each async for each in scores]

    def score_stream(
        self,
        transactions: Iterable[Transaction] | AsyncIterable[Transaction],
        *,
        frame_transactions: int = 256,
        max_in_flight_frames: int = 8,
        reasons: ReasonsMode = ReasonsMode.REVIEWED,
    ) -> AsyncIterator[Score | ItemError]:
        """Scores transactions, oldest first, as they are taken from the iterable; answers in their order.

        Reads ahead by at most the frames in flight and one. An answer is given out no later than the
        next frame goes; for transactions that trickle in, use `AsyncPackingScorer`.

        Raises ValueError, at once, when a frame would hold, or there would be in flight, less than 1.
        Raises KunturError when the stream breaks, after every answer that came before.
        """
        at_least_one(frame_transactions=frame_transactions, max_in_flight_frames=max_in_flight_frames)
        return streamed_scores(self._stubs, transactions, frame_transactions, max_in_flight_frames, reasons)

    def frame_stream(
        self, max_in_flight_frames: int = 8, *, reasons: ReasonsMode = ReasonsMode.REVIEWED
    ) -> AsyncFrameStream:
        """Opens a ScoreStream for frames of wire messages; the caller closes it."""
        return AsyncFrameStream(self._stubs, max_in_flight_frames, reasons)

    async def report_outcomes(
        self, outcomes: Sequence[Outcome], *, timeout_seconds: float | None = None
    ) -> OutcomeReport:
        """Reports what transactions turned out to be, in calls of at most 4,096. Safe to repeat."""
        accepted_count = 0
        failures: list[OutcomeFailure] = []
        timeout = self.config.bulk_timeout_seconds if timeout_seconds is None else timeout_seconds
        for part, request in outcome_requests(outcomes):
            response = await self._answer(self._stubs.outcome.ReportOutcomes, request, timeout)
            accepted_count += response.accepted_count
            failures += failures_from_proto(response, part)
        return OutcomeReport(accepted_count, tuple(failures))

    async def models(self, *, timeout_seconds: float | None = None) -> list[Model]:
        """Lists the models of the registry, newest first."""
        request = model_service_pb2.ListModelsRequest()
        response = await self._answer(self._stubs.model.ListModels, request, self._timeout(timeout_seconds))
        return [model_from_proto(each) for each in response.models]

    async def model(self, model_version: str, *, timeout_seconds: float | None = None) -> Model:
        """Returns one model. Raises ModelNotFound."""
        request = model_service_pb2.GetModelRequest(model_version=model_version)
        response = await self._answer(self._stubs.model.GetModel, request, self._timeout(timeout_seconds))
        return model_from_proto(response.model)

    async def live_model(self, *, timeout_seconds: float | None = None) -> Model:
        """Returns the model that scores. Raises NoLiveModel."""
        request = model_service_pb2.GetLiveModelRequest()
        response = await self._answer(self._stubs.model.GetLiveModel, request, self._timeout(timeout_seconds))
        return model_from_proto(response.model)

    async def backfill(
        self, transactions: Iterable[Transaction], *, frame_transactions: int = MAX_FRAME_TRANSACTIONS
    ) -> BackfillReport:
        """Adds past transactions, oldest first, to the history without scoring them.

        Repeating it counts nothing twice while the server still knows them all: it keeps as many as
        its setting `recent_transactions`, 2,097,152 by default; more than that, sent twice, are counted
        twice. Raises ValueError when a frame would hold less than 1.
        """
        requests = backfill_requests(transactions, frame_transactions)
        return report_from_proto(await self._answer(self._stubs.history.Backfill, requests, None))

    async def wait_until_ready(self, timeout_seconds: float) -> Model:
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
                return await self.live_model(timeout_seconds=max(left, FIRST_POLL_SECONDS))
            except (Unavailable, Overloaded, DeadlineExceeded) as error:
                if said is None or not isinstance(error, DeadlineExceeded):
                    said = error
                pause = max(pause, error.retry_after_seconds or 0.0)
                if time.monotonic() + pause >= give_up_at:
                    raise said from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_POLL_SECONDS)

    async def close(self) -> None:
        """Ends the channel; every call that is still open, and every later one, raises Cancelled."""
        self._stubs.closed = True
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _timeout(self, timeout_seconds: float | None) -> float:
        return self.config.timeout_seconds if timeout_seconds is None else timeout_seconds

    async def _answer(
        self, method: Callable[..., Awaitable[Any]], request: object, timeout_seconds: float | None
    ) -> Any:
        """Calls the server and turns a failure into a KunturError; the stubs carry no types."""
        with self._stubs.call():
            return await method(request, timeout=timeout_seconds)
