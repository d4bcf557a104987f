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

from server.access import ANYONE, Caller
from server.errors import ServerError, StreamExpiredError, TokenExpiredError

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

    def add(self, stream: object, end: Callable[[], object], most_s: float = math.inf) -> float:
        """Has a stream ended when its time has come; returns when that is, by time.monotonic.

        most_s: time that it may last whatever others may.
        """
        lasts_s = self._max_s * (1 - _JITTER * random.random())  # noqa: S311  # no secret
        ends = time.monotonic() + min(lasts_s, most_s)
        with self._lock:
            self._open[stream] = (ends, end)
        return ends

    def remove(self, stream: object) -> None:
        """Forgets a stream. One that is not known is no error."""
        with self._lock:
            self._open.pop(stream, None)

    @contextmanager
    def limited(
        self,
        requests: Iterator[Any],
        context: grpc.ServicerContext,
        caller: Caller = ANYONE,
    ) -> Iterator[Iterator[Any]]:
        """Yields the requests of a stream until its lifetime is over, while the block lasts.

        A stream that is working ends after its current frame; one that waits for its caller, to send or to
        read, is cut off a second later. One whose first message does not come is cut off, too.
        """

        def cut() -> None:
            if time.monotonic() >= ends + _GRACE_S:
                self.cut(context)

        ends = self.add(context, cut, lasting_s(caller))
        silent = object()
        with self._lock:
            self._open[silent] = (time.monotonic() + self._first_s, lambda: self.cut(context))
        try:
            yield _until(requests, ends, lambda: self.remove(silent), caller)
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


def lasting_s(caller: Caller) -> float:
    """Returns for how long a stream of a caller may last."""
    return caller.expires - time.time()


def end_of(caller: Caller) -> ServerError:
    """Returns why a stream ends whose time has come."""
    return TokenExpiredError() if caller.expires <= time.time() else StreamExpiredError()


def _until(
    requests: Iterator[Any], ends: float, first_came: Callable[[], None], caller: Caller
) -> Iterator[Any]:
    clock = time.monotonic
    for request in requests:
        first_came()
        yield request
        if clock() >= ends:
            raise end_of(caller)
