"""One stream: the order of reading, work and answers, and what ends it."""

from __future__ import annotations

import math
import time
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.errors import ServerError, ShuttingDownError, StreamDisplacedError, StreamExpiredError
from server.rpc.admission.compression import TOO_LARGE, OversizedMessageError
from server.rpc.core.streams.answering import AnsweringStream
from server.rpc.core.streams.method import StreamMethod
from server.rpc.core.streams.reading import NO_FLAGS, Ended
from server.rpc.errors import CallStatus


class StreamCall(AnsweringStream):
    """One stream. It takes a place when its first message has come, and frees it itself."""

    method: StreamMethod[StreamCall]

    def receive(self) -> None:
        """Begins. For the polling thread, while it holds the server's lock."""
        with self._lock:
            self._start((cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS),), self._closed)
            self._read_on()
        self.method.waiting.add(self)
        self.method.open.add(self)
        self.method.lifetimes.add(self, self._expire)

    def take(self, room: int) -> list[bytes]:
        """Returns the next frame, and as many more as fit into `room` bytes. Any thread.

        A compressed frame is taken alone. Nothing is taken of a stream that is over: there is nobody to
        answer, and nothing has been counted.
        """
        with self._lock:
            if self._over:
                self._working = False
                self._leave()
                return []
            self._moved = time.monotonic()
            packed = self.packed
            taken = [self._frames.popleft()]
            room -= len(taken[0])
            while not packed and self._frames and len(self._frames[0]) <= room and not self.packed:
                taken.append(self._frames.popleft())
                room -= len(taken[-1])
            size = sum(map(len, taken))
            self._ahead_bytes -= size
            self.method.held.remove(size)
            self._read_on()
        if packed:
            try:
                return [self.method.unpacking.message(taken[0])]
            except OversizedMessageError:
                self.give([TOO_LARGE])
                return []
        return taken

    def end(self, error: ServerError) -> None:
        """Ends the stream after its current frames, or at once when it waits. Any thread."""
        with self._lock:
            if self._end is None and not self._over:
                self._end = self.method.status_of(error)
                self._advance()

    def give_up(self, error: ServerError) -> None:
        """Ends a stream whose caller has sent nothing while others wait. For the polling thread."""
        self.end(error)

    def refuse(self, status: CallStatus) -> None:
        """Ends a stream whose refusal was put off. For the polling thread."""
        with self._lock:
            if self._end is None and not self._over:
                self._end = status
                self._advance()

    def cut(self, error: ServerError) -> None:
        """Ends the stream at once, and drops what is under way. For the polling thread."""
        with self._lock:
            if not self._over:
                self._over = True
                self._drop()
                if not self._working:
                    self._leave()  # else when the frames are done
                self._call.cancel(self.method.status_of(error).code.value[0], str(error))

    def idle_since(self, caller: str | None) -> float:
        """Returns when something last moved; infinity while it is answered or if it is another caller's."""
        if not self._inside or self._working or self._end or (caller is not None and caller != self._caller):
            return math.inf
        return self._moved

    def displace(self) -> None:
        """Ends an idle stream at once, with StreamDisplacedError. For the polling thread."""
        if self._sending:  # its answers are not read, so it would not read a status either
            self.cut(StreamDisplacedError())
        else:
            self.end(StreamDisplacedError())

    def _expire(self) -> None:
        self.end(StreamExpiredError())

    def _advance(self) -> None:
        """Does what can be done now. Under the lock."""
        if self._answers and not self._sending:
            self._send(self._answers.popleft())
        if not self._working and not self._answers:
            if self.method.frames.closed and self._end is None:
                self._end = self.method.status_of(ShuttingDownError())
            if self._end is not None:
                if not self._sending:
                    self._finish(self._end)
            elif self._frames:
                self._working = True
                self.method.begin(self)
            elif self._no_more and not self._sending:
                self._finish(None)

    def _closed(self, event: Any) -> Ended:
        """Takes note that gRPC's call has closed. For the polling thread."""
        with self._lock:
            if event.batch_operations[0].cancelled() and not self._over:
                self._over = True
                self._drop()
                if not self._working:
                    self._leave()  # else when the frames are done
            return self._one_less()
