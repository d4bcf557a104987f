"""A channel that follows the files of its credentials: a new one takes over once it is connected.

gRPC takes certificates when a channel is made and never again. So a second channel is connected beside the
first; calls go over the first until the second is ready, and over the second from then on. What is on the
first ends there, and then it is closed. No call sees any of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc

from clients.config import ClientConfig
from clients.credentials import Credentials

_Options = dict[str, Any]


def open_channel(config: ClientConfig, target: str, given: grpc.ChannelCredentials | None) -> Any:
    """Returns a channel as the config says; given: credentials to take instead.

    Raises UnusableCredentials, ValueError.
    """
    options = config.channel_options(target)
    if given is not None:
        return grpc.secure_channel(target, given, options=options)
    credentials = Credentials(config, target)

    def opened() -> grpc.Channel:
        own = credentials.channel_credentials()
        if own is None:
            return grpc.insecure_channel(target, options=options)
        return grpc.secure_channel(target, own, options=options)

    return RenewingChannel(credentials, opened) if credentials.renews else opened()


class _Generation:
    """One of gRPC's channels, and how many calls are on it."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._methods: dict[tuple[str, str], Any] = {}
        self._calls = 0
        self._retired = False
        self._lock = threading.Lock()

    @property
    def over(self) -> bool:
        """Whether it takes no more calls and those on it have ended."""
        return self._retired and not self._calls

    def method(self, kind: str, path: str, options: _Options) -> Any:
        """Returns what calls a method on it."""
        found = self._methods.get((kind, path))
        if found is None:
            found = self._methods[kind, path] = getattr(self._channel, kind)(path, **options)
        return found

    def enter(self) -> bool:
        """Counts a call, unless it takes no more; returns whether it did."""
        with self._lock:
            if self._retired:
                return False
            self._calls += 1
            return True

    def leave(self) -> None:
        """Counts a call that is over; the last one of a retired channel closes it."""
        with self._lock:
            self._calls -= 1
            last = self._retired and not self._calls
        if last:
            self._close_soon()

    def retire(self) -> None:
        """Takes no more calls, and closes once those on it are over."""
        with self._lock:
            self._retired = True
            idle = not self._calls
        if idle:
            self._close_soon()

    def close(self) -> None:
        """Ends it and every call on it."""
        with self._lock:
            self._retired = True
        self._channel.close()

    def _close_soon(self) -> None:
        # On a thread of its own: closing waits for gRPC's threads, and the last call may end on one of them.
        threading.Thread(target=self._channel.close, name="kuntur-close", daemon=True).start()


class RenewingChannel:
    """Makes calls as gRPC's channel does, with the token in force and on the newest channel that is ready."""

    def __init__(self, credentials: Credentials, opened: Callable[[], grpc.Channel]) -> None:
        """Takes what opens a channel with the certificates in force."""
        self._credentials = credentials
        self._opened = opened
        self._lock = threading.Lock()
        self._closed = False
        self._current = _Generation(opened())
        self._older: list[_Generation] = []
        self._next: grpc.Channel | None = None

    def unary_unary(self, path: str, **options: Any) -> Callable[..., Any]:
        """Returns what makes a call that is waited for."""
        return partial(self._waited_for, "unary_unary", path, options)

    def stream_unary(self, path: str, **options: Any) -> Callable[..., Any]:
        """Returns what makes a call of many requests that is waited for."""
        return partial(self._waited_for, "stream_unary", path, options)

    def unary_stream(self, path: str, **options: Any) -> Callable[..., Any]:
        """Returns what begins a call of many answers."""
        return partial(self._begun, "unary_stream", path, options)

    def stream_stream(self, path: str, **options: Any) -> Callable[..., Any]:
        """Returns what begins a stream."""
        return partial(self._begun, "stream_stream", path, options)

    def close(self) -> None:
        """Ends every call and all channels."""
        with self._lock:
            self._closed = True
            generations = [self._current, *self._older]
            coming, self._next = self._next, None
        for generation in generations:
            generation.close()
        if coming is not None:
            coming.close()

    def _waited_for(self, kind: str, path: str, options: _Options, request: Any, **how: Any) -> Any:
        generation = self._entered()
        try:
            return generation.method(kind, path, options)(request, **self._with_token(how))
        finally:
            generation.leave()

    def _begun(self, kind: str, path: str, options: _Options, request: Any, **how: Any) -> Any:
        generation = self._entered()
        try:
            call = generation.method(kind, path, options)(request, **self._with_token(how))
        except BaseException:
            generation.leave()
            raise
        if not call.add_callback(generation.leave):  # it is over already
            generation.leave()
        return call

    def _with_token(self, how: _Options) -> _Options:
        metadata = self._credentials.metadata
        return {**how, "metadata": (*(how.get("metadata") or ()), *metadata)} if metadata else how

    def _entered(self) -> _Generation:
        """Returns the channel to call on, with the call counted. Raises ValueError once closed."""
        if self._credentials.changed():
            self._renew()
        while True:
            if self._closed:
                raise ValueError("the channel is closed")
            generation = self._current
            if generation.enter():
                return generation

    def _renew(self) -> None:
        """Begins to connect another channel, in the place of one that is still connecting."""
        coming = self._opened()

        def connected(state: grpc.ChannelConnectivity) -> None:
            if state is grpc.ChannelConnectivity.READY:
                coming.unsubscribe(connected)  # else gRPC keeps a thread that asks for its state
                self._take_over(coming)

        with self._lock:
            if self._closed:
                coming.close()
                return
            dropped, self._next = self._next, coming
            coming.subscribe(connected, try_to_connect=True)
        if dropped is not None:
            dropped.close()

    def _take_over(self, coming: grpc.Channel) -> None:
        with self._lock:
            if self._next is not coming:
                return
            self._next = None
            before, self._current = self._current, _Generation(coming)
            self._older = [*(each for each in self._older if not each.over), before]
        before.retire()
