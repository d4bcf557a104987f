"""What comes on a stream: it takes a place with its first frame, and frames are read ahead within bounds."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.errors import OverloadedError, ServerError
from server.rpc.admission.compression import is_packed
from server.rpc.core.streams.method import StreamMethod
from server.rpc.errors import CallStatus

NO_FLAGS = 0
# How far is read ahead: with that many bytes or frames nothing more is read.
AHEAD_BYTES = 1 << 15
AHEAD_FRAMES = 32
Ended = tuple[Any, tuple[()]]


class ReadingStream(ABC):
    """A stream as far as it reads. What follows from what was read, and every end, is left to subclasses."""

    def __init__(self, method: StreamMethod[Any], event: Any) -> None:
        """Takes grpcio's event of a call that arrived."""
        self.method = method
        self._event = event  # tells the caller's name
        self._call = event.call
        self._caller = ""
        self._inside = False
        self._moved = 0.0  # when something last did, by time.monotonic
        self._lock = threading.Lock()  # events come on the polling thread, frames may be done by others
        self._due = 0  # batches of operations that have not ended
        self._frames: deque[bytes] = deque()  # read, not begun
        self._ahead_bytes = 0  # of these
        self._any_packed = False
        self._reading = False
        self._refusing = False  # a refusal was put off
        self._no_more = False  # the caller has closed its half
        self._end: CallStatus | None = None  # to end with after what is worked on
        self._over = False

    def peer(self) -> object:
        """Returns what names the connection, the same for all its calls."""
        return self._call.peer()

    @property
    def packed(self) -> bool:
        """Whether the next frame is compressed: then a thread answers it."""
        return self._any_packed and bool(self._frames) and is_packed(self._frames[0])

    @property
    def size(self) -> int:
        """Bytes of the next frame."""
        frames = self._frames
        return len(frames[0]) if frames else 0

    @abstractmethod
    def give_up(self, error: ServerError) -> None:
        """Ends a stream whose caller has sent nothing while others wait. For the polling thread."""

    @abstractmethod
    def cut(self, error: ServerError) -> None:
        """Ends the stream at once, and drops what is under way. For the polling thread."""

    @abstractmethod
    def idle_since(self, caller: str | None) -> float:
        """Returns when something last moved; infinity while it is answered or if it is another caller's."""

    @abstractmethod
    def displace(self) -> None:
        """Ends an idle stream at once, with StreamDisplacedError. For the polling thread."""

    @abstractmethod
    def _advance(self) -> None:
        """Does what can be done now. Under the lock."""

    def _read_on(self) -> None:
        """Reads the next frame unless enough are there. Under the lock."""
        if (
            not self._reading
            and not self._no_more
            and not self._refusing
            and len(self._frames) < AHEAD_FRAMES
            and self._ahead_bytes < AHEAD_BYTES
            and not (self._frames and self.method.held.plenty)
        ):
            self._reading = True
            self._start((cygrpc.ReceiveMessageOperation(NO_FLAGS),), self._received)

    def _keep(self, frame: bytes) -> None:
        """Takes a frame that has come, if there is a place and room for it. Under the lock."""
        self._moved = time.monotonic()
        if not self._inside:
            self.method.waiting.remove(self)
            refusal = self._enter()
            if refusal is not None:
                self._refused(refusal)
                return
        held = self.method.held
        if held.add(len(frame)):
            self._frames.append(frame)
            self._any_packed = self._any_packed or is_packed(frame)
            self._ahead_bytes += len(frame)
        else:
            held.remove(len(frame))
            self._refused(OverloadedError("bytes of requests", held.most))

    def _refused(self, error: ServerError) -> None:
        """Ends the stream with a refusal, now or when there is time for one. Under the lock."""
        status = self.method.refusals(self.method.gate, error)
        self._refusing = self.method.put_off(self, status)
        if not self._refusing:
            self._end = self._end or status

    def _enter(self) -> ServerError | None:
        """Takes a place, if need be that of an idle stream; returns why there is none."""
        method, gate = self.method, self.method.gate
        caller = method.name_of(self._event) if gate.counts_callers else ""
        refusal = gate.enter(caller)
        if isinstance(refusal, OverloadedError):
            of = caller if refusal.scope == "caller" else None
            idlest = min(method.open, key=lambda stream: stream.idle_since(of), default=self)
            if idlest.idle_since(of) <= time.monotonic() - method.idle_s:
                idlest.displace()
                refusal = gate.enter(caller)
        if refusal is None:
            self._inside, self._caller = True, caller
        return refusal

    def _leave(self) -> None:
        """Frees the place; once."""
        method = self.method
        if self in method.open:
            method.open.discard(self)
            method.lifetimes.remove(self)
            method.waiting.remove(self)
            if self._inside:
                self._inside = False
                method.gate.leave(self._caller)

    def _start(self, operations: tuple[Any, ...], ended: Callable[[Any], Ended]) -> None:
        self._call.start_server_batch(operations, ended)
        self._due += 1

    # What follows is called by gRPC's polling thread when a batch of operations has ended.

    def _received(self, event: Any) -> Ended:
        with self._lock:
            self._reading = False
            frame = event.batch_operations[0].message()
            if frame is None:
                self._no_more = True
            elif not self._over:
                self._keep(frame)
                if self._end is None:
                    self._read_on()
            return self._one_less()

    def _one_less(self) -> Ended:
        self._due -= 1
        if not self._over:
            self._advance()
        return (None, ()) if self._due else (self, ())  # with it grpcio takes the call off its list
