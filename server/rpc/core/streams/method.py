"""What all streams of a method share: their handler, their gate, and what they are counted in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from server.errors import ServerError
from server.rpc.admission.compression import Unpacking
from server.rpc.admission.gates import Frames, Gate
from server.rpc.admission.unread import UnreadAnswers
from server.rpc.admission.waiting import Held, Waiting
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.calls.transport import Answer, Answers
from server.rpc.core.unary import Refusals
from server.rpc.errors import CallStatus

Stream = TypeVar("Stream")
"""The class of the streams, which knows its method in turn."""


@dataclass(eq=False, slots=True)
class StreamMethod(Generic[Stream]):
    """How the streams of a method are answered; open: those that have a place."""

    answer: Answer
    gate: Gate
    frames: Frames
    lifetimes: Lifetimes
    status_of: Callable[[ServerError], CallStatus]
    """Returns what to end a stream with, and counts it."""
    begin: Callable[[Stream], None]
    """Has a stream answered soon."""
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
    put_off: Callable[[Stream, CallStatus], bool]
    """Puts the refusal of a stream off if the budget does not allow it now; returns whether it did."""
    idle_s: float
    """Seconds after which a stream on which nothing moves gives up its place when another needs one."""
    answers: Answers | None = None
    """Answers several frames at once, where that is faster."""
    open: set[Stream] = field(default_factory=set)
