"""Bounds how long a stream lasts, so that callers reconnect, perhaps elsewhere, and places get free."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from server.errors import StreamExpiredError

_JITTER = 0.1  # of the lifetime: streams that were opened together should not all come again together
_GRACE_S = 1.0
_LOOK_S = 1.0
_JOIN_S = 5.0


class Lifetimes:
    """Ends streams that have reached their longest lifetime, with StreamExpiredError. Safe for threads."""

    def __init__(self, max_s: float, first_message_s: float = math.inf) -> None:
        """Takes the longest lifetime; each stream's own is up to a tenth shorter.

        first_message_s: time within which the first message of a `limited` stream has to come.
        """
        self._max_s = max_s
        self._first_s = first_message_s
        self._look_s = min(_LOOK_S, max_s, first_message_s)
        self.cut: Callable[[grpc.ServicerContext], object] = grpc.ServicerContext.cancel
        """Cuts a `limited` stream off from outside its thread, as the transport can."""
        self._open: dict[object, tuple[float, Callable[[], object]]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lifetimes", daemon=True)

    def start(self) -> None:
        """Starts watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stops watching."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def add(self, stream: object, end: Callable[[], object]) -> float:
        """Has a stream ended when its time has come; returns when that is, by time.monotonic."""
        ends = time.monotonic() + self._max_s * (1 - _JITTER * random.random())  # noqa: S311  # no secret
        with self._lock:
            self._open[stream] = (ends, end)
        return ends

    def remove(self, stream: object) -> None:
        """Forgets a stream. One that is not known is no error."""
        with self._lock:
            self._open.pop(stream, None)

    @contextmanager
    def limited(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Iterator[Any]]:
        """Yields the requests of a stream until its lifetime is over, while the block lasts.

        A stream that is working ends after its current frame; one that waits for its caller, to send or to
        read, is cut off a second later. One whose first message does not come is cut off, too.
        """

        def cut() -> None:
            if time.monotonic() >= ends + _GRACE_S:
                self.cut(context)

        ends = self.add(context, cut)
        silent = object()
        with self._lock:
            self._open[silent] = (time.monotonic() + self._first_s, lambda: self.cut(context))
        try:
            yield _until(requests, ends, lambda: self.remove(silent))
        finally:
            self.remove(silent)
            self.remove(context)

    def _watch(self) -> None:
        while not self._stopped.wait(self._look_s):
            now = time.monotonic()
            with self._lock:
                expired = [end for ends, end in self._open.values() if ends <= now]
            for end in expired:
                end()


def _until(requests: Iterator[Any], ends: float, first_came: Callable[[], None]) -> Iterator[Any]:
    clock = time.monotonic
    for request in requests:
        first_came()
        yield request
        if clock() >= ends:
            raise StreamExpiredError
