"""Streams on grpcio's public API: one thread reads a stream's frames, another answers them."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc

from server.errors import (
    OverloadedError,
    ServerError,
    ShuttingDownError,
    StreamDisplacedError,
    StreamExpiredError,
)
from server.rpc.admission.callers import CallerNames
from server.rpc.admission.compression import OversizedMessageError, is_packed
from server.rpc.admission.unread import UnreadAnswers
from server.rpc.admission.waiting import Held
from server.rpc.calls.edge import Edge
from server.rpc.calls.transport import Answer
from server.rpc.errors import abort

_AHEAD_FRAMES = 2


class PlainStream:
    """One stream that has a place or waits for its first message."""

    def __init__(self, context: grpc.ServicerContext, held: Held) -> None:
        self._context, self._held = context, held
        self._bytes = 0  # of frames that have come and have not been answered
        self._closed = False
        self._lock = threading.Lock()
        self.frames: queue.Queue[bytes | ServerError | None] = queue.Queue(_AHEAD_FRAMES)
        self.caller = ""
        self.inside = False
        self.moved = math.inf
        self.over = threading.Event()

    def peer(self) -> object:
        """Returns what names the connection, the same for all its calls."""
        return self._context.peer()

    def cut(self, _: ServerError) -> None:
        """Ends the stream at once."""
        self._context.cancel()

    def end(self, error: ServerError) -> None:
        """Ends the stream after its current frame; what was read and not begun is dropped."""
        self.over.set()
        while True:
            try:
                self.frames.put_nowait(error)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    dropped = self.frames.get_nowait()
                    if isinstance(dropped, bytes):
                        self.answered(dropped)
            else:
                return

    def answered(self, frame: bytes) -> None:
        """Stops counting a frame. Any thread."""
        with self._lock:
            if not self._closed:
                self._bytes -= len(frame)
                self._held.remove(len(frame))

    def close(self) -> None:
        """Stops counting frames."""
        self.over.set()
        with self._lock:
            self._closed = True
            self._held.remove(self._bytes)

    def _fits(self, frame: bytes) -> bool:
        """Counts a frame that has come; returns whether there is room for it."""
        with self._lock:
            if self._closed:
                return True
            fits = self._held.add(len(frame))
            self._bytes += len(frame)
        return fits

    def read(self, requests: Iterator[bytes]) -> None:
        """Reads frames until there are no more or the stream is over."""
        with contextlib.suppress(grpc.RpcError, ValueError):  # the caller went away
            for frame in requests:
                if not self._fits(frame):
                    self.answered(frame)
                    self.end(OverloadedError("bytes of requests", self._held.most))
                    return
                while not self.over.is_set():
                    try:
                        self.frames.put(frame, timeout=1.0)
                    except queue.Full:
                        continue
                    break
                if self.over.is_set():
                    return
        if not self.over.is_set():
            self.frames.put(None)


class PlainStreams:
    """The streams of a method. Safe for threads."""

    def __init__(
        self,
        edge: Edge,
        answer: Answer,
        names: CallerNames,
        idle_s: float,
        held: Held,
        unread: UnreadAnswers,
    ) -> None:
        """Takes the handler of a frame, and what counts bytes."""
        self._held, self._unread, self._unpacking = held, unread, edge.admission.unpacking
        self._edge, self._answer, self._names, self._idle_s = edge, answer, names, idle_s
        self._gate = edge.admission.streams
        self._open: set[PlainStream] = set()
        self._lock = threading.Lock()

    def end(self) -> None:
        """Ends each stream after its current frame."""
        with self._lock:
            streams = list(self._open)
        for stream in streams:
            stream.end(ShuttingDownError())

    def behave(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Answers each frame; what grpcio calls for a stream."""
        stream = PlainStream(context, self._held)
        with self._lock:
            self._open.add(stream)
        self._edge.lifetimes.add(stream, lambda: stream.end(StreamExpiredError()))
        context.add_callback(lambda: stream.end(ShuttingDownError()))  # or the thread would wait for ever
        threading.Thread(target=stream.read, args=(requests,), name="reader", daemon=True).start()
        try:
            yield from self._answers(stream, context)
        finally:
            stream.close()
            self._unread.remove(stream)
            self._edge.lifetimes.remove(stream)
            with self._lock:
                self._open.discard(stream)
                if stream.inside:
                    stream.inside = False
                    self._gate.leave(stream.caller)

    def _answers(self, stream: PlainStream, context: grpc.ServicerContext) -> Iterator[bytes]:
        while (frame := stream.frames.get()) is not None:
            if isinstance(frame, ServerError):
                abort(context, self._edge.status(frame))
            if not stream.inside:
                refusal = self._enter(stream, context)
                if refusal is not None:
                    abort(context, self._edge.refusal(self._gate, refusal))
            stream.moved = math.inf
            with self._unpacking.turn if is_packed(frame) else contextlib.nullcontext():
                try:
                    answer = self._answer(self._unpacking.message(frame))
                except OversizedMessageError as error:
                    abort(context, self._edge.status(error))
            if not isinstance(answer, bytes):
                abort(context, answer)
            stream.moved = time.monotonic()  # from here on its caller may keep it waiting
            stream.answered(frame)
            self._unread.add(stream, len(answer), timed=False)
            yield answer
            self._unread.remove(stream)

    def _enter(self, stream: PlainStream, context: grpc.ServicerContext) -> ServerError | None:
        """Takes a place, if need be that of an idle stream; returns why there is none."""
        with self._lock:
            caller = self._names.of(context) if self._gate.counts_callers else ""
            refusal = self._gate.enter(caller)
            if isinstance(refusal, OverloadedError):
                mine = refusal.scope == "caller"
                idle = [one for one in self._open if one.inside and (not mine or one.caller == caller)]
                idlest = min(idle, key=lambda one: one.moved, default=stream)
                if idlest.moved <= time.monotonic() - self._idle_s:
                    idlest.end(StreamDisplacedError())
                    idlest.inside = False
                    self._gate.leave(idlest.caller)
                    refusal = self._gate.enter(caller)
            if refusal is None:
                stream.inside, stream.caller = True, caller
        return refusal


def read_one(requests: Iterator[Any]) -> Any:
    """Returns the first message of a call, None where there is none."""
    return next(iter(requests), None)
