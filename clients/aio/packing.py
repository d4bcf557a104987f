"""The asyncio twin of `clients.sync.packing`: packs transactions that come one by one into frames."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from clients.aio.client import AsyncClient
from clients.aio.frames import AsyncFrameStream
from clients.backoff import Backoff
from clients.errors import KunturError, cancelled
from clients.sync.frames import FrameAnswer
from clients.sync.packing import AT_ONCE_FRAMES
from clients.values.scores import ItemError, Score, result_from_proto
from kuntur.api.v1 import transaction_pb2
from kuntur.scores import ReasonsMode
from kuntur.transaction import Transaction
from kuntur.values import to_proto


@dataclass(frozen=True, slots=True)
class _Submission:
    message: transaction_pb2.Transaction
    future: asyncio.Future[Score]
    submitted_at: float


class AsyncPackingScorer:
    """Scores transactions submitted by any task of one event loop over one stream, in frames.

    The size of frames follows the rate. While fewer than two frames are unanswered, what there is goes at
    once: a lone transaction waits for nothing. While two are, transactions gather, and go when an answer
    comes, when they are `max_frame_transactions`, or when the oldest has waited `max_delay_seconds`: so no
    more delay than that is added, unless `max_in_flight_frames` are on their way. Beyond that, and a
    frame being gathered, `submit` waits. When the stream breaks, what was on its way fails with a typed
    error, and the next transaction opens a new one: at once after a stream that had answered, after a growing
    pause when the server took none. Make it inside a running event loop.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        max_frame_transactions: int = 256,
        max_delay_seconds: float = 0.002,
        max_in_flight_frames: int = 8,
        reasons: ReasonsMode = ReasonsMode.REVIEWED,
    ) -> None:
        if max_frame_transactions < 1 or max_delay_seconds < 0 or max_in_flight_frames < 1:
            raise ValueError("a frame holds 1 or more, the delay is 0 or more, and 1 or more are in flight")
        self._client = client
        self._max_frame_transactions = max_frame_transactions
        self._max_delay_seconds = max_delay_seconds
        self._max_in_flight_frames = max_in_flight_frames
        self._reasons = reasons
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()  # submitters go in the order in which they came
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._gathered: deque[_Submission] = deque()
        self._hurried_count = 0  # of the gathered, those that a flush will not let wait
        self._unsettled: set[asyncio.Future[Score]] = set()
        self._unanswered = 0  # frames
        self._closing = False
        self._closed = asyncio.Event()
        self._backoff = Backoff(client.config.initial_backoff_seconds, client.config.max_backoff_seconds)
        self._abandoned = False
        self._stream: AsyncFrameStream | None = None
        self._packer = asyncio.create_task(self._pack(), name="kuntur-packing")

    async def submit(self, transaction: Transaction) -> asyncio.Future[Score]:
        """Takes a transaction and returns its score to come, which raises KunturError when there is none.

        Waits while too much is on its way. Raises RuntimeError after `close`.
        """
        message = to_proto(transaction)
        async with self._turn:
            while not self._closing and len(self._gathered) >= self._max_frame_transactions:
                self._room.clear()
                await self._room.wait()
            if self._closing:
                raise RuntimeError("the scorer is closed")
            submission = _Submission(message, self._loop.create_future(), self._loop.time())
            self._unsettled.add(submission.future)
            submission.future.add_done_callback(self._unsettled.discard)
            self._gathered.append(submission)
            self._work.set()
        return submission.future

    async def score(self, transaction: Transaction) -> Score:
        """Submits a transaction and waits for its score. Raises KunturError."""
        return await (await self.submit(transaction))

    async def flush(self) -> None:
        """Sends what is gathered without delay and waits for everything submitted before this call.

        Errors stay in the futures.
        """
        self._hurried_count = len(self._gathered)
        self._work.set()
        if self._unsettled:
            await asyncio.wait(set(self._unsettled))

    async def close(self, timeout_seconds: float | None = 30.0) -> None:
        """Takes no more, sends what is gathered and waits until every future is settled.

        What has no answer after `timeout_seconds` (None: no limit) fails with Cancelled.
        """
        self._closing = True
        self._closed.set()
        self._work.set()
        self._room.set()
        waited_for: set[asyncio.Future[Any]] = {self._packer, *self._unsettled}
        _, late = await asyncio.wait(waited_for, timeout=timeout_seconds)
        self._abandoned = bool(late)
        if self._stream is not None:
            await (self._stream.cancel() if late else self._stream.close(timeout_seconds))
        await asyncio.wait(waited_for)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _pack(self) -> None:
        while (frame := await self._next_frame()) is not None:
            try:
                answer = await self._send(frame)
            except Exception as error:  # whatever it is, no future may be lost
                _fail(frame, error)
            else:
                self._unanswered += 1
                answer.add_done_callback(partial(self._settle, frame))

    async def _next_frame(self) -> list[_Submission] | None:
        """Waits until a frame is due and cuts it; None when closed and nothing is left."""
        while True:
            due_in: float | None = None
            if self._gathered:
                due_in = self._gathered[0].submitted_at + self._max_delay_seconds - self._loop.time()
                full = len(self._gathered) >= self._max_frame_transactions
                calm = self._unanswered < AT_ONCE_FRAMES
                if full or calm or self._closing or self._hurried_count or due_in <= 0:
                    count = min(len(self._gathered), self._max_frame_transactions)
                    cut = [self._gathered.popleft() for _ in range(count)]
                    self._hurried_count = max(0, self._hurried_count - count)
                    self._room.set()
                    if frame := [each for each in cut if not each.future.done()]:
                        return frame
                    continue
            elif self._closing:
                return None
            self._work.clear()
            try:
                await asyncio.wait_for(self._work.wait(), due_in)
            except TimeoutError:
                continue

    def _settle(self, frame: list[_Submission], answered: asyncio.Future[FrameAnswer]) -> None:
        self._unanswered -= 1
        self._work.set()
        _settle(frame, answered)

    async def _send(self, frame: list[_Submission]) -> asyncio.Future[FrameAnswer]:
        messages = [each.message for each in frame]
        try:
            return await (await self._live_stream()).send(messages)
        except KunturError:
            # The stream broke before it took the frame, so nothing was sent and a new one may have it.
            return await (await self._live_stream()).send(messages)

    async def _live_stream(self) -> AsyncFrameStream:
        if self._stream is not None and self._stream.ended:
            await self._pause_after(self._stream)
        if self._abandoned:
            raise cancelled("The scorer was closed.")
        if self._stream is None or self._stream.ended:
            self._stream = self._client.frame_stream(self._max_in_flight_frames, reasons=self._reasons)
        return self._stream

    async def _pause_after(self, stream: AsyncFrameStream) -> None:
        """Waits, unless the scorer closes, when the server did not take the last stream."""
        if stream.refused is None:
            self._backoff.succeeded()
            return
        pause = self._backoff.after_failure(stream.refused.retry_after_seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), pause)


def _settle(frame: list[_Submission], answered: asyncio.Future[FrameAnswer]) -> None:
    """Returns each submitter of a frame its own answer."""
    try:
        for submission, result in zip(frame, answered.result().results, strict=True):
            scored = result_from_proto(result, submission.message.transaction_id)
            if submission.future.done():
                continue  # its submitter stopped waiting
            if isinstance(scored, ItemError):
                submission.future.set_exception(scored.error)
            else:
                submission.future.set_result(scored)
    except Exception as error:  # an answer that cannot be read fails its frame
        _fail(frame, error)


def _fail(frame: list[_Submission], error: Exception) -> None:
    for submission in frame:
        if not submission.future.done():
            submission.future.set_exception(error)
