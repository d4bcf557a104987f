"""Streams whose handler takes a frame to its answer, without a thread for each, without reading far ahead.

As with unary calls (`server.rpc.unary`), a stream is an object whose operations end on gRPC's polling thread.
While a frame is worked on the next one is read, and no more: beyond that gRPC's flow control holds the
sender back. While an answer is on its way another may be made, and then nothing more is begun until
the first has left: so a caller that does not read costs two frames and two answers, whatever it sends.
Small frames are worked on by the polling thread, larger ones by threads of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.errors import ServerError, ShuttingDownError, StreamExpiredError
from server.rpc.admission import Frames, Gate
from server.rpc.errors import CallStatus
from server.rpc.lifetime import Lifetimes
from server.rpc.unary import Answer

_LOG = structlog.get_logger(__name__)
_NO_FLAGS = 0
_OK = grpc.StatusCode.OK.value[0]
Ended = tuple[Any, tuple[()]]


@dataclass(eq=False, slots=True)
class StreamMethod:
    """How the streams of a method are answered; open: those that have a place."""

    answer: Answer
    gate: Gate
    frames: Frames
    lifetimes: Lifetimes
    status_of: Callable[[ServerError], CallStatus]
    """Gives what to end a stream with, and counts it."""
    begin: Callable[[StreamCall, int], None]
    """Has `work` called soon for a frame of so many bytes."""
    open: set[StreamCall] = field(default_factory=set)


class StreamCall:
    """One stream that was let in. It gives its place back by itself."""

    def __init__(self, method: StreamMethod, event: Any, caller: str) -> None:
        """Takes grpcio's event of a call that arrived."""
        self._method = method
        self._call = event.call
        self._caller = caller
        self._lock = threading.Lock()  # events come on the polling thread, frames may be done by others
        self._due = 0  # batches of operations that have not ended
        self._frame: bytes | None = None  # read, not begun
        self._working_on = b""
        self._working = False
        self._answer: bytes | None = None  # made, not sent
        self._sending = False
        self._no_more = False  # the caller has closed its half
        self._end: CallStatus | None = None  # to end with after the frame that is worked on
        self._metadata_sent = False
        self._over = False

    def receive(self) -> None:
        """Begins. For the polling thread, while it holds the server's lock."""
        with self._lock:
            self._start((cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),), self._closed)
            self._read()
        self._method.open.add(self)
        self._method.lifetimes.add(self, self._expire)

    def end(self, error: ServerError) -> None:
        """Ends the stream after the frame that it is at, or at once when it waits. Any thread."""
        with self._lock:
            if self._end is None and not self._over:
                self._end = self._method.status_of(error)
                self._advance()

    def work(self) -> None:
        """Answers the frame that was begun. Any thread."""
        method = self._method
        try:
            answer = method.answer(self._working_on)
        except Exception:
            _LOG.exception("a frame failed outside of its handler")
            answer = method.status_of(ShuttingDownError())
        with self._lock:
            self._working, self._working_on = False, b""
            if isinstance(answer, bytes):
                self._answer = answer
            elif self._end is None:
                self._end = answer
            if self._over:
                self._leave()
            else:
                self._advance()

    def _expire(self) -> None:
        self.end(StreamExpiredError())

    def _advance(self) -> None:
        """Does what can be done now. Under the lock."""
        if self._answer is not None and not self._sending:
            self._send(self._answer)
            self._answer = None
        if not self._working and self._answer is None:
            if self._method.frames.closed and self._end is None:
                self._end = self._method.status_of(ShuttingDownError())
            if self._end is not None:
                if not self._sending:
                    self._finish(self._end)
            elif self._frame is not None:
                frame = self._working_on = self._frame
                self._working, self._frame = True, None
                if not self._no_more:
                    self._read()
                self._method.begin(self, len(frame))
            elif self._no_more and not self._sending:
                self._finish(None)

    def _read(self) -> None:
        self._start((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), self._received)

    def _send(self, answer: bytes) -> None:
        self._sending = True
        message = cygrpc.SendMessageOperation(answer, _NO_FLAGS)
        self._start((*self._metadata(), message), self._sent)

    def _finish(self, status: CallStatus | None) -> None:
        self._over = True
        self._leave()
        if status is None:
            operation = cygrpc.SendStatusFromServerOperation(None, _OK, b"", _NO_FLAGS)
        else:
            operation = cygrpc.SendStatusFromServerOperation(
                status.trailing_metadata, status.code.value[0], status.raw_details, _NO_FLAGS
            )
        self._start((*self._metadata(), operation), self._ended)

    def _metadata(self) -> tuple[Any, ...]:
        if self._metadata_sent:
            return ()
        self._metadata_sent = True
        return (cygrpc.SendInitialMetadataOperation(None, _NO_FLAGS),)

    def _start(self, operations: tuple[Any, ...], ended: Callable[[Any], Ended]) -> None:
        self._call.start_server_batch(operations, ended)
        self._due += 1

    def _leave(self) -> None:
        """Gives the place back; once."""
        method = self._method
        if self in method.open:
            method.open.discard(self)
            method.lifetimes.remove(self)
            method.gate.leave(self._caller)

    # What follows is called by gRPC's polling thread when a batch of operations has ended.

    def _received(self, event: Any) -> Ended:
        with self._lock:
            frame = event.batch_operations[0].message()
            if frame is None:
                self._no_more = True
            else:
                self._frame = frame
            return self._one_less()

    def _sent(self, _: Any) -> Ended:
        with self._lock:
            self._sending = False
            return self._one_less()

    def _closed(self, event: Any) -> Ended:
        with self._lock:
            if event.batch_operations[0].cancelled() and not self._over:
                self._over = True
                self._frame = self._answer = None
                if not self._working:
                    self._leave()  # else when the frame is done
            return self._one_less()

    def _ended(self, _: Any) -> Ended:
        with self._lock:
            return self._one_less()

    def _one_less(self) -> Ended:
        self._due -= 1
        if not self._over:
            self._advance()
        return (None, ()) if self._due else (self, ())  # with it grpcio takes the call off its list
