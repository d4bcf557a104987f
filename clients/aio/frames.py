"""The asyncio twin of `clients.sync.frames`: one ScoreStream as a pipeline of frames."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import grpc

from clients.aio.ends import StreamEnd
from clients.errors import KunturError, broken_contract, cancelled, stream_ended
from clients.stubs import Stubs
from clients.sync.frames import FrameAnswer
from clients.values.counts import at_least_one
from kuntur.api.v1 import scoring_service_pb2, transaction_pb2
from kuntur.scores import ReasonsMode


@dataclass(frozen=True, slots=True)
class _Frame:
    transaction_count: int
    answer: asyncio.Future[FrameAnswer]
    sent_at: float = field(default_factory=time.perf_counter)


class AsyncFrameStream:
    """Sends frames over one ScoreStream; belongs to the event loop that it was made in.

    gRPC takes the requests from a queue in a task of its own: cancelling a caller that sends then
    cancels its wait, and not, as it would with a direct write, the stream of everybody else.
    """

    def __init__(
        self, stubs: Stubs, max_in_flight_frames: int, reasons: ReasonsMode = ReasonsMode.REVIEWED
    ) -> None:
        at_least_one(max_in_flight_frames=max_in_flight_frames)
        self._max_in_flight_frames = max_in_flight_frames
        self._reasons = reasons
        self._turn = asyncio.Lock()  # senders go in the order in which they came
        self._changed = asyncio.Event()
        self._in_flight: deque[_Frame] = deque()
        self._requests: asyncio.Queue[scoring_service_pb2.ScoreStreamRequest | None] = asyncio.Queue()
        self._end: KunturError | None = None
        self._closing = False
        self._cancelled = False
        self._answered = False
        self._stubs = stubs
        with stubs.call():
            self._call = stubs.scoring.ScoreStream(self._outgoing())
        self._status = StreamEnd(self._call)
        self._reader = asyncio.create_task(self._read(), name="kuntur-frames")

    @property
    def ended(self) -> bool:
        """Whether the stream takes no more frames."""
        return self._closing or self._end is not None

    @property
    def refused(self) -> KunturError | None:
        """What the stream ended with before it had answered a frame; None when it answered or is open."""
        return None if self._answered else self._end

    async def send(self, transactions: Sequence[transaction_pb2.Transaction]) -> asyncio.Future[FrameAnswer]:
        """Sends a frame of 1 or more transactions and returns its answer to come.

        Waits while `max_in_flight_frames` are on their way. Raises KunturError, without having sent
        anything, when the stream has ended.
        """
        request = scoring_service_pb2.ScoreStreamRequest(
            transactions=transactions, reasons_mode=self._reasons.to_proto()
        )
        async with self._turn:
            while not self.ended and len(self._in_flight) >= self._max_in_flight_frames:
                self._changed.clear()
                await self._changed.wait()
            if self.ended:
                raise self._end or stream_ended("The stream is closed.")
            frame = _Frame(len(transactions), asyncio.get_running_loop().create_future())
            self._in_flight.append(frame)
            self._requests.put_nowait(request)
        return frame.answer

    async def close(self, timeout_seconds: float | None = None) -> None:
        """Takes no more frames and waits for the answers to those sent.

        After `timeout_seconds` (None: never) gives up: what is unanswered fails with Cancelled.
        """
        self._closing = True
        self._requests.put_nowait(None)
        self._changed.set()
        await asyncio.wait([self._reader], timeout=timeout_seconds)
        await self.cancel()

    async def cancel(self) -> None:
        """Ends the stream at once: what is unanswered fails with Cancelled."""
        self._cancelled = True
        self._call.cancel()
        await asyncio.wait([self._reader])

    async def _outgoing(self) -> AsyncIterator[scoring_service_pb2.ScoreStreamRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    async def _read(self) -> None:
        end: KunturError = stream_ended("The server ended the stream.")
        try:
            async for response in self._call:
                self._settle(response)
        except grpc.RpcError as error:
            end = self._stubs.failure(await self._status.cause(error), ended_here=self._cancelled)
        except KunturError as error:
            end = error
            self._call.cancel()
        except asyncio.CancelledError:
            # Cancelling the call surfaces here, and so does the end of the event loop.
            end = cancelled("The stream was ended from this side.")
        finally:
            self._finish(end)

    def _settle(self, response: scoring_service_pb2.ScoreStreamResponse) -> None:
        if not self._in_flight or self._in_flight[0].transaction_count != len(response.results):
            raise broken_contract("The server sent an answer that fits no frame.")
        frame = self._in_flight.popleft()
        self._answered = True
        self._changed.set()
        if not frame.answer.done():
            frame.answer.set_result(FrameAnswer(response.results, time.perf_counter() - frame.sent_at))

    def _finish(self, end: KunturError) -> None:
        self._end = end
        self._requests.put_nowait(None)
        self._changed.set()
        while self._in_flight:
            answer = self._in_flight.popleft().answer
            if not answer.done():
                answer.set_exception(end)
