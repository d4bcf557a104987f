"""Streams rows and outcomes to a server in the order of a replay, and gathers the answers."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import islice

from clients.errors import KunturError, error_from_status
from clients.replay import Step
from clients.scored import ScoredRows
from clients.sync.client import Client
from clients.sync.frames import FrameAnswer
from clients.values.outcomes import MAX_OUTCOMES_PER_CALL
from kuntur.api.v1 import outcome_pb2, outcome_service_pb2, transaction_pb2
from kuntur.scores import ReasonsMode


class OutcomeTally:
    """Tells outcomes to a server and counts what became of them."""

    def __init__(self, client: Client, outcomes: Iterator[outcome_pb2.Outcome]) -> None:
        self._client = client
        self._outcomes = outcomes
        self.accepted_count = 0
        self.refused_by_reason: Counter[str] = Counter()

    def tell(self, count: int) -> None:
        """Reports the next `count` outcomes in calls the server takes. Raises KunturError."""
        while part := list(islice(self._outcomes, min(count, MAX_OUTCOMES_PER_CALL))):
            response = self._client.send_outcomes(outcome_service_pb2.ReportOutcomesRequest(outcomes=part))
            self.accepted_count += response.accepted_count
            for failure in response.failures:
                self.refused_by_reason[error_from_status(failure.status).reason] += 1
            count -= len(part)


class ScoringRun:
    """Scores a file's rows over one stream, outcomes in between. Used once."""

    def __init__(
        self,
        client: Client,
        messages: Iterator[transaction_pb2.Transaction],
        outcomes: OutcomeTally,
        *,
        frame_transactions: int,
        max_in_flight_frames: int,
        on_answer: Callable[[int], None],
        reasons: ReasonsMode | None = None,
    ) -> None:
        """Takes what to send and how; reasons: which to ask for and to keep, None for none kept."""
        self._client = client
        self._messages = messages
        self._outcomes = outcomes
        self._frame_transactions = frame_transactions
        self._max_in_flight_frames = max_in_flight_frames
        self._on_answer = on_answer
        self._waiting: deque[Future[FrameAnswer]] = deque()
        self._reasons = ReasonsMode.REVIEWED if reasons is None else reasons
        self.scored = ScoredRows(with_reasons=reasons is not None)
        self.latencies_seconds: list[float] = []
        self.elapsed_seconds = 0.0

    def run(self, steps: Iterator[Step]) -> None:
        """Carries the steps out. Raises KunturError; what was answered until then is in `scored`."""
        started_at = time.perf_counter()
        stream = self._client.frame_stream(self._max_in_flight_frames, reasons=self._reasons)
        try:
            for step in steps:
                if step.outcome_count:
                    self._wait_for_all()
                    self._outcomes.tell(step.outcome_count)
                for start in range(step.start, step.stop, self._frame_transactions):
                    count = min(self._frame_transactions, step.stop - start)
                    try:
                        self._waiting.append(stream.send(list(islice(self._messages, count))))
                    except KunturError:
                        self._wait_for_all()  # takes what came before the end; raises at the first without
                        raise
                    while self._waiting and self._waiting[0].done():
                        self._take()
            self._wait_for_all()
            stream.close()
        finally:
            stream.cancel()
            self.elapsed_seconds = time.perf_counter() - started_at

    def _wait_for_all(self) -> None:
        while self._waiting:
            self._take()

    def _take(self) -> None:
        answer = self._waiting.popleft().result()
        self.scored.add(answer.results)
        self.latencies_seconds.append(answer.latency_seconds)
        self._on_answer(len(answer.results))


def carry_out(run: ScoringRun, steps: Iterator[Step], row_count: int) -> KunturError | None:
    """Carries a run out; returns what broke it off after its first answer, None when nothing did.

    The rows that a broken run left without an answer are marked with its error. Raises KunturError when
    there was no answer at all.
    """
    try:
        run.run(steps)
    except KunturError as error:
        answered = len(run.scored)
        if not answered:
            raise
        if row_count > answered:
            run.scored.add_error(error, row_count - answered)
        return error
    return None
