"""Packs transactions that come one by one into frames, so that many callers share the cost of a message.

One thread cuts and sends every frame, so transactions of one caller keep their order whoever fills
the frame. A future is always settled: by its answer, by the end of its stream, or by `close`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from clients.backoff import Backoff
from clients.errors import KunturError, cancelled
from clients.sync.client import Client
from clients.sync.frames import FrameAnswer, FrameStream
from clients.values.scores import ItemError, Score, result_from_proto
from kuntur.api.v1 import transaction_pb2
from kuntur.scores import ReasonsMode
from kuntur.transaction import Transaction
from kuntur.values import to_proto

AT_ONCE_FRAMES = 2
"""While fewer frames are unanswered nothing waits to be gathered: one is worked on, one is read meanwhile."""


@dataclass(frozen=True, slots=True)
class _Submission:
    message: transaction_pb2.Transaction
    future: Future[Score] = field(default_factory=Future)
    submitted_at: float = field(default_factory=time.monotonic)


class PackingScorer:
    """Scores transactions submitted from any thread over one stream, in frames.

    The size of frames follows the rate. While fewer than two frames are unanswered, what there is goes at
    once: a lone transaction waits for nothing. While two are, transactions gather, and go when an answer
    comes, when they are `max_frame_transactions`, or when the oldest has waited `max_delay_seconds`: so no
    more delay than that is added, unless `max_in_flight_frames` are on their way. Beyond that, and a
    frame being gathered, `submit` blocks. When the stream breaks, what was on its way fails with a typed
    error, since only the caller knows whether to ask again, and the next transaction opens a new one: at
    once after a stream that had answered, after a growing pause when the server took none.

    Callbacks of the futures run on the thread that reads answers: they may submit, and must not wait.
    """

    def __init__(
        self,
        client: Client,
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
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # the packer waits here
        self._room = threading.Condition(self._lock)  # submitters wait here
        self._gathered: deque[_Submission] = deque()
        self._hurried_count = 0  # of the gathered, those that a flush will not let wait
        self._unsettled: dict[int, list[_Submission]] = {}  # frames cut and not yet answered, by number
        self._frame_count = 0
        self._closing = False
        self._abandoned = False
        self._stream: FrameStream | None = None
        self._backoff = Backoff(client.config.initial_backoff_seconds, client.config.max_backoff_seconds)
        self._telling = threading.local()  # set on a thread while it runs callbacks of futures
        self._packer = threading.Thread(target=self._pack, name="kuntur-packing", daemon=True)
        self._packer.start()

    def submit(self, transaction: Transaction) -> Future[Score]:
        """Takes a transaction and returns its score to come.

        The future raises KunturError when the transaction cannot be scored; it can be cancelled until
        its frame is cut. Blocks while too much is on its way. Raises RuntimeError after `close`.
        """
        message = to_proto(transaction)
        with self._lock:
            # A thread that tells futures their answers makes the room: waiting for it here would never end.
            if not getattr(self._telling, "now", False):
                self._room.wait_for(
                    lambda: self._closing or len(self._gathered) < self._max_frame_transactions
                )
            if self._closing:
                raise RuntimeError("the scorer is closed")
            submission = _Submission(message)
            self._gathered.append(submission)
            # The packer needs to know of a frame's first transaction, for its clock, and of its last.
            if len(self._gathered) == 1 or len(self._gathered) >= self._max_frame_transactions:
                self._work.notify()
        return submission.future

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Sends what is gathered without delay and waits for everything submitted before this call.

        Returns False when `timeout_seconds` (None: no limit) were not enough. Errors stay in the futures.
        """
        self._refuse_in_callback("flush")
        with self._lock:
            self._hurried_count = len(self._gathered)
            pending = [each.future for frame in self._unsettled.values() for each in frame]
            pending += [each.future for each in self._gathered]
            self._work.notify()
        return not wait(pending, timeout_seconds).not_done

    def close(self, timeout_seconds: float | None = 30.0) -> None:
        """Takes no more, sends what is gathered and waits until every future is settled.

        What has no answer after `timeout_seconds` (None: no limit) fails with Cancelled.
        """
        self._refuse_in_callback("close")
        give_up_at = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        with self._lock:
            self._closing = True
            self._work.notify_all()
            self._room.notify_all()
        self._packer.join(timeout_seconds)
        if self._packer.is_alive():
            self._abandon()
        if self._stream is not None:
            self._stream.close(None if give_up_at is None else max(0.0, give_up_at - time.monotonic()))
        with self._lock:
            # The reader of a stream that broke before may still be telling its futures.
            pending = [each.future for frame in self._unsettled.values() for each in frame]
        wait(pending)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _pack(self) -> None:
        while (cut := self._next_frame()) is not None:
            number, frame = cut
            try:
                answer = self._send(frame)
            except Exception as error:  # whatever it is, no future may be lost
                self._fail(number, frame, error)
            else:
                answer.add_done_callback(partial(self._settle, number, frame))

    def _next_frame(self) -> tuple[int, list[_Submission]] | None:
        """Waits until a frame is due and cuts it; None when closed and nothing is left."""
        with self._lock:
            while True:
                if not self._gathered:
                    if self._closing:
                        return None
                    self._work.wait()
                    continue
                due_in = self._gathered[0].submitted_at + self._max_delay_seconds - time.monotonic()
                full = len(self._gathered) >= self._max_frame_transactions
                calm = len(self._unsettled) < AT_ONCE_FRAMES
                if not (full or calm or self._closing or self._hurried_count) and due_in > 0:
                    self._work.wait(due_in)
                    continue
                count = min(len(self._gathered), self._max_frame_transactions)
                cut = [self._gathered.popleft() for _ in range(count)]
                self._hurried_count = max(0, self._hurried_count - count)
                self._room.notify_all()
                frame = [each for each in cut if each.future.set_running_or_notify_cancel()]
                if frame:
                    self._frame_count += 1
                    self._unsettled[self._frame_count] = frame
                    return self._frame_count, frame

    def _send(self, frame: list[_Submission]) -> Future[FrameAnswer]:
        messages = [each.message for each in frame]
        stream = self._live_stream()
        try:
            return stream.send(messages)
        except KunturError:
            # The stream broke before it took the frame, so nothing was sent and a new one may have it.
            return self._live_stream().send(messages)

    def _live_stream(self) -> FrameStream:
        with self._lock:
            if self._abandoned:
                raise cancelled("The scorer was closed.")
            if self._stream is None or self._stream.ended:
                self._pause_after(self._stream)
                if self._abandoned:
                    raise cancelled("The scorer was closed.")
                self._stream = self._client.frame_stream(self._max_in_flight_frames, reasons=self._reasons)
            return self._stream

    def _pause_after(self, stream: FrameStream | None) -> None:
        """Waits, unless the scorer closes, when the server did not take the last stream."""
        if stream is None:
            return
        if stream.refused is None:
            self._backoff.succeeded()
        else:
            pause = self._backoff.after_failure(stream.refused.retry_after_seconds)
            self._work.wait_for(lambda: self._closing, pause)

    def _abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            stream = self._stream
        if stream is not None:
            stream.cancel()
        self._packer.join()

    def _settle(self, number: int, frame: list[_Submission], answer: Future[FrameAnswer]) -> None:
        self._telling.now = True
        try:
            broken = answer.exception()
            if broken is not None:
                self._fail(number, frame, broken)
                return
            for submission, result in zip(frame, answer.result().results, strict=True):
                scored = result_from_proto(result, submission.message.transaction_id)
                if isinstance(scored, ItemError):
                    submission.future.set_exception(scored.error)
                else:
                    submission.future.set_result(scored)
        except Exception as error:  # an answer that cannot be read fails its frame
            self._fail(number, frame, error)
        finally:
            self._telling.now = False
            self._settled(number)

    def _fail(self, number: int, frame: list[_Submission], error: BaseException) -> None:
        self._telling.now = True
        try:
            for submission in frame:
                if not submission.future.done():
                    submission.future.set_exception(error)
        finally:
            self._telling.now = False
            self._settled(number)

    def _settled(self, number: int) -> None:
        with self._lock:
            self._unsettled.pop(number, None)
            if self._gathered and len(self._unsettled) < AT_ONCE_FRAMES:
                self._work.notify()

    def _refuse_in_callback(self, verb: str) -> None:
        if getattr(self._telling, "now", False):
            raise RuntimeError(f"{verb} waits for the thread that runs this callback")
