"""One ScoreStream as a pipeline of frames: several on their way at a time, answers in order.

What a frame is made of, and what becomes of a broken stream, is left to those who use it.

Three threads meet here. A caller sends, gRPC's own thread takes requests from a queue, and a reader
takes answers. The line of frames in flight and the queue are only written to under one lock, so they
have the same order; futures are settled outside of it, so that a callback may send again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import grpc

from clients.errors import KunturError, broken_contract, stream_ended
from clients.stubs import Stubs
from clients.values.counts import at_least_one
from kuntur.api.v1 import score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.scores import ReasonsMode

_LAST_WORDS_SECONDS = 5.0  # a cancelled call ends in milliseconds; this only bounds a callback that hangs


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    """The answer to one frame."""

    results: Sequence[score_pb2.ScoreResult]
    """One for each transaction, in the order of the frame."""

    latency_seconds: float
    """From handing the frame over to having its answer, the wait behind earlier frames included."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame on its way."""

    transaction_count: int
    answer: Future[FrameAnswer] = field(default_factory=Future)
    sent_at: float = field(default_factory=time.perf_counter)


class FrameStream:
    """Sends frames over one ScoreStream; any thread may send.

    Opening raises Cancelled when the client is closed, and nothing else: a server that is not there
    shows as Unavailable in the first answer.
    """

    def __init__(
        self, stubs: Stubs, max_in_flight_frames: int, reasons: ReasonsMode = ReasonsMode.REVIEWED
    ) -> None:
        at_least_one(max_in_flight_frames=max_in_flight_frames)
        self._max_in_flight_frames = max_in_flight_frames
        self._reasons = reasons
        self._changed = threading.Condition()
        self._in_flight: deque[Frame] = deque()
        self._requests: queue.SimpleQueue[scoring_service_pb2.ScoreStreamRequest | None] = queue.SimpleQueue()
        self._end: KunturError | None = None
        self._closing = False
        self._cancelled = False
        self._answered = False
        self._stubs = stubs
        with stubs.call():
            self._call = stubs.scoring.ScoreStream(iter(self._requests.get, None))
        self._reader = threading.Thread(target=self._read, name="kuntur-frames", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        """Whether the stream takes no more frames."""
        return self._closing or self._end is not None

    @property
    def refused(self) -> KunturError | None:
        """What the stream ended with before it had answered a frame; None when it answered or is open."""
        return None if self._answered else self._end

    def send(self, transactions: Sequence[transaction_pb2.Transaction]) -> Future[FrameAnswer]:
        """Sends a frame of 1 or more transactions and returns its answer to come.

        Blocks while `max_in_flight_frames` are on their way, except on the thread that reads answers
        (in a callback of a future), which would wait for itself. Raises KunturError, without having
        sent anything, when the stream has ended.
        """
        request = scoring_service_pb2.ScoreStreamRequest(
            transactions=transactions, reasons_mode=self._reasons.to_proto()
        )
        with self._changed:
            if threading.current_thread() is not self._reader:
                self._changed.wait_for(
                    lambda: self.ended or len(self._in_flight) < self._max_in_flight_frames
                )
            if self.ended:
                raise self._end or stream_ended("The stream is closed.")
            frame = Frame(len(transactions))
            frame.answer.set_running_or_notify_cancel()  # what is sent cannot be called back
            self._in_flight.append(frame)
            self._requests.put(request)
        return frame.answer

    def close(self, timeout_seconds: float | None = None) -> None:
        """Takes no more frames and waits for the answers to those sent.

        After `timeout_seconds` (None: never) gives up: what is unanswered fails with Cancelled. Not to
        be called from a callback of a future.
        """
        with self._changed:
            self._closing = True
            self._requests.put(None)
            self._changed.notify_all()
        self._reader.join(timeout_seconds)
        if self._reader.is_alive():
            self.cancel()

    def cancel(self) -> None:
        """Ends the stream at once: what is unanswered fails with Cancelled."""
        self._cancelled = True
        self._call.cancel()
        if threading.current_thread() is not self._reader:
            self._reader.join(_LAST_WORDS_SECONDS)

    def _read(self) -> None:
        end: KunturError = stream_ended("The server ended the stream.")
        try:
            for response in self._call:
                self._settle(response)
        except grpc.RpcError as error:
            end = self._stubs.failure(error, ended_here=self._cancelled)
        except KunturError as error:
            end = error
            self._call.cancel()
        finally:
            self._finish(end)

    def _settle(self, response: scoring_service_pb2.ScoreStreamResponse) -> None:
        with self._changed:
            if not self._in_flight or self._in_flight[0].transaction_count != len(response.results):
                raise broken_contract("The server sent an answer that fits no frame.")
            frame = self._in_flight.popleft()
            self._answered = True
            self._changed.notify_all()
        frame.answer.set_result(FrameAnswer(response.results, time.perf_counter() - frame.sent_at))

    def _finish(self, end: KunturError) -> None:
        with self._changed:
            self._end = end
            lost = list(self._in_flight)
            self._in_flight.clear()
            self._requests.put(None)  # gRPC's thread may still wait for a request
            self._changed.notify_all()
        for frame in lost:
            frame.answer.set_exception(end)
