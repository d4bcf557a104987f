"""Streams whose handler takes a frame to its answer, without a thread for each, without reading far ahead.

As with unary calls (`server.rpc.core.unary`), a stream is an object whose operations end on gRPC's polling
thread.

While frames are worked on the next ones are read, up to some bytes, and no more: beyond that gRPC's flow
control holds the sender back. What has been read by the time there is time for it is worked on together.
While answers are on their way no more work is begun than for the last of them: so a caller that does not
read costs what is read ahead twice over and the answers to it, whatever it sends. What all such callers cost
is bounded too (`server.rpc.admission.unread`).
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.access import ANYONE, Caller
from server.errors import OverloadedError, ServerError, ShuttingDownError, StreamDisplacedError
from server.rpc.admission.compression import TOO_LARGE, OversizedMessageError, Unpacking, is_packed
from server.rpc.admission.gates import Frames, Gate
from server.rpc.admission.unread import UnreadAnswers
from server.rpc.admission.waiting import Held, Waiting
from server.rpc.calls.lifetime import Lifetimes, end_of, lasting_s
from server.rpc.calls.transport import Answer, Answers
from server.rpc.core.unary import Refusals, told_apart
from server.rpc.errors import CallStatus

_NO_FLAGS = 0
_OK = grpc.StatusCode.OK.value[0]
# What is read ahead: with that many bytes or frames no more is read.
AHEAD_BYTES = 1 << 15
AHEAD_FRAMES = 32
_COUNTED_BYTES = 4096
Ended = tuple[Any, tuple[()]]


@dataclass(eq=False, slots=True)
class StreamMethod:
    """How the streams of a method are answered; open: those that have a place."""

    answer: Answer
    gate: Gate
    frames: Frames
    lifetimes: Lifetimes
    status_of: Callable[[ServerError], CallStatus]
    """Returns what to end a stream with, and counts it."""
    begin: Callable[[StreamCall], None]
    """Has a stream worked for soon."""
    refusals: Refusals
    name_of: Callable[[Any], str]
    """Returns the caller of grpcio's event."""
    waiting: Waiting
    """The streams whose first message has not come."""
    held: Held
    """Bytes of frames that have come."""
    unread: UnreadAnswers
    """The streams whose answers have not left."""
    unpacking: Unpacking
    """Decompresses frames."""
    put_off: Callable[[StreamCall, CallStatus], bool]
    """Has a stream refused later if there is no time for it now; returns whether it has."""
    idle_s: float
    """After which a stream on which nothing moves gives up its place when another needs one."""
    answers: Answers | None = None
    """Answers several frames at once, where that is faster."""
    open: set[StreamCall] = field(default_factory=set)


class StreamCall:
    """One stream. It takes a place when its first message has come, and gives it back by itself."""

    def __init__(self, method: StreamMethod, event: Any, caller: Caller | CallStatus = ANYONE) -> None:
        """Takes grpcio's event of a call that arrived, and who makes it or why they may not."""
        self.method = method
        self.caller, self._denied = told_apart(caller)
        self._event = event  # of whom its caller's name is asked
        self._call = event.call
        self._counted_as = ""
        self._inside = False
        self._moved = 0.0  # when something last did, by time.monotonic
        self._lock = threading.Lock()  # events come on the polling thread, frames may be done by others
        self._due = 0  # batches of operations that have not ended
        self._frames: deque[bytes] = deque()  # read, not begun
        self._ahead_bytes = 0  # of these
        self._reading = False
        self._working = False
        self._answers: deque[bytes] = deque()  # made, not sent
        self._sending = False
        self._sending_bytes = 0
        self._unsent_bytes = 0  # of all answers that were made
        self._any_packed = False
        self._counted = False  # among the answers that are unread
        self._refusing = self._denied is not None  # or a refusal was put off: nothing more is read
        self._no_more = False  # the caller has closed its half
        self._end: CallStatus | None = None  # to end with after what is worked on
        self._metadata_sent = False
        self._over = False

    def receive(self) -> None:
        """Begins. For the polling thread, while it holds the server's lock."""
        with self._lock:
            self._start((cygrpc.ReceiveCloseOnServerOperation(_NO_FLAGS),), self._closed)
            self._read_on()
        if self._denied is not None:
            if not self.method.put_off(self, self._denied):
                self.refuse(self._denied)
            return
        self.method.waiting.add(self)
        self.method.open.add(self)
        self.method.lifetimes.add(self, self._expire, lasting_s(self.caller))

    def end(self, error: ServerError) -> None:
        """Ends the stream after the frames that it is at, or at once when it waits. Any thread."""
        with self._lock:
            if self._end is None and not self._over:
                self._end = self.method.status_of(error)
                self._advance()

    def give_up(self, error: ServerError) -> None:
        """Ends a stream whose caller has sent nothing while others wait. For the polling thread."""
        self.end(error)

    def idle_since(self, caller: str | None) -> float:
        """Returns when something last moved, infinity while it is worked on or of another caller."""
        if (
            not self._inside
            or self._working
            or self._end
            or (caller is not None and caller != self._counted_as)
        ):
            return math.inf
        return self._moved

    def displace(self) -> None:
        """Ends an idle stream at once, with StreamDisplacedError. For the polling thread."""
        if self._sending:  # its answers are not read, so it would not read a status either
            self.cut(StreamDisplacedError())
        else:
            self.end(StreamDisplacedError())

    def refuse(self, status: CallStatus) -> None:
        """Ends a stream whose refusal was put off. For the polling thread."""
        with self._lock:
            if self._end is None and not self._over:
                self._end = status
                self._advance()

    def peer(self) -> object:
        """Returns what is the same for all calls of a connection."""
        return self._call.peer()

    def cut(self, error: ServerError) -> None:
        """Ends the stream at once, with what is under way. For the polling thread."""
        with self._lock:
            if not self._over:
                self._over = True
                self._drop()
                if not self._working:
                    self._leave()  # else when the frames are done
                self._call.cancel(self.method.status_of(error).code.value[0], str(error))

    @property
    def packed(self) -> bool:
        """Whether the next frame is compressed: a thread is to work for it."""
        return self._any_packed and bool(self._frames) and is_packed(self._frames[0])

    @property
    def size(self) -> int:
        """Bytes of the next frame."""
        frames = self._frames
        return len(frames[0]) if frames else 0

    def take(self, room: int) -> list[bytes]:
        """Returns the next frame, and as many more as fit into so many bytes. Any thread.

        One that is compressed is taken alone. None of a stream that is over: there is nobody to answer, and
        nothing has been counted.
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

    def give(self, answers: list[bytes | CallStatus]) -> None:
        """Sends the answers to what was taken, up to the first that ends the stream. Any thread."""
        with self._lock:
            self._working = False
            for answer in answers:
                if isinstance(answer, bytes):
                    self._answers.append(answer)
                    self._unsent_bytes += len(answer)
                else:
                    self._end = self._end or answer
                    break
            if self._over:
                self._answers.clear()
                self._leave()
            else:
                self._advance()
                if self._counted or self._unsent_bytes > _COUNTED_BYTES:
                    self._count_unread()

    def _expire(self) -> None:
        self.end(end_of(self.caller))

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
            self._start((cygrpc.ReceiveMessageOperation(_NO_FLAGS),), self._received)

    def _send(self, answer: bytes) -> None:
        self._sending = True
        self._sending_bytes = len(answer)
        message = cygrpc.SendMessageOperation(answer, _NO_FLAGS)
        self._start((*self._metadata(), message), self._sent)

    def _finish(self, status: CallStatus | None) -> None:
        self._over = True
        self._drop()
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
        """Frees the place; once."""
        method = self.method
        if self in method.open:
            method.open.discard(self)
            method.lifetimes.remove(self)
            method.waiting.remove(self)
            if self._inside:
                self._inside = False
                method.gate.leave(self._counted_as)

    def _enter(self) -> ServerError | None:
        """Takes a place, that of an idle stream if there is no other; returns why there is none."""
        method, gate = self.method, self.method.gate
        who = self.caller
        caller = gate.counted_as(who.identity, who.max_streams, lambda: method.name_of(self._event))
        refusal = gate.enter(caller, who.max_streams)
        if isinstance(refusal, OverloadedError):
            of = caller if refusal.scope == "caller" else None
            idlest = min(method.open, key=lambda stream: stream.idle_since(of), default=self)
            if idlest.idle_since(of) <= time.monotonic() - method.idle_s:
                idlest.displace()
                refusal = gate.enter(caller, who.max_streams)
        if refusal is None:
            self._inside, self._counted_as = True, caller
        return refusal

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

    def _count_unread(self) -> None:
        """Counts what is on its way, but not the small answers of most streams. Under the lock."""
        self._counted = self._unsent_bytes > _COUNTED_BYTES and not self._over
        if self._counted:
            self.method.unread.add(self, self._unsent_bytes, timed=False)
        else:
            self.method.unread.remove(self)

    def _drop(self) -> None:
        """Forgets what was read and what was made. Under the lock."""
        self._frames.clear()
        self._answers.clear()
        self.method.held.remove(self._ahead_bytes)
        self._ahead_bytes = 0
        self.method.unread.remove(self)

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

    def _sent(self, _: Any) -> Ended:
        with self._lock:
            self._sending = False
            self._moved = time.monotonic()
            self._unsent_bytes -= self._sending_bytes
            if self._counted or self._unsent_bytes > _COUNTED_BYTES:
                self._count_unread()
            return self._one_less()

    def _closed(self, event: Any) -> Ended:
        with self._lock:
            if event.batch_operations[0].cancelled() and not self._over:
                self._over = True
                self._drop()
                if not self._working:
                    self._leave()  # else when the frames are done
            return self._one_less()

    def _ended(self, _: Any) -> Ended:
        with self._lock:
            return self._one_less()

    def _one_less(self) -> Ended:
        self._due -= 1
        if not self._over:
            self._advance()
        return (None, ()) if self._due else (self, ())  # with it grpcio takes the call off its list
