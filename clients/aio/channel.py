"""The asyncio twin of `clients.sync.channel`: a channel that follows the files of its credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import grpc.aio

from clients.config import ClientConfig
from clients.credentials import Credentials

_Options = dict[str, Any]


def open_channel(config: ClientConfig, target: str, given: grpc.ChannelCredentials | None) -> Any:
    """Returns a channel as the config says; given: credentials to take instead.

    Raises UnusableCredentials, ValueError.
    """
    options = config.channel_options(target)
    if given is not None:
        return grpc.aio.secure_channel(target, given, options=options)
    credentials = Credentials(config, target)

    def opened() -> grpc.aio.Channel:
        own = credentials.channel_credentials()
        if own is None:
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, own, options=options)

    return RenewingAsyncChannel(credentials, opened) if credentials.renews else opened()


class _Generation:
    """One of gRPC's channels, and how many calls are on it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls = 0
        self._methods: dict[tuple[str, str], Any] = {}

    def method(self, kind: str, path: str, options: _Options) -> Any:
        """Returns what calls a method on it."""
        found = self._methods.get((kind, path))
        if found is None:
            found = self._methods[kind, path] = getattr(self.channel, kind)(path, **options)
        return found


class RenewingAsyncChannel:
    """Makes calls as gRPC's channel does, with the token in force and on the newest channel that is ready."""

    def __init__(self, credentials: Credentials, opened: Callable[[], grpc.aio.Channel]) -> None:
        """Takes what opens a channel with the certificates in force."""
        self._credentials = credentials
        self._opened = opened
        self._closed = False
        self._current = _Generation(opened())
        self._older: set[_Generation] = set()
        self._connecting: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def unary_unary(self, path: str, **options: Any) -> Callable[..., Any]:
        """Returns what makes a call of one request and one answer."""
        return partial(self._begun, "unary_unary", path, options)

    def stream_unary(self, path: str, **options: Any) -> Callable[..., Any]:
        """Returns what makes a call of many requests."""
        return partial(self._begun, "stream_unary", path, options)

    def unary_stream(self, path: str, **options: Any) -> Callable[..., Any]:
        """Returns what makes a call of many answers."""
        return partial(self._begun, "unary_stream", path, options)

    def stream_stream(self, path: str, **options: Any) -> Callable[..., Any]:
        """Returns what begins a stream."""
        return partial(self._begun, "stream_stream", path, options)

    async def close(self) -> None:
        """Ends every call and all channels."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        for generation in (self._current, *self._older):
            await generation.channel.close()
        if self._closing:
            await asyncio.wait(self._closing)

    def _begun(self, kind: str, path: str, options: _Options, request: Any, **how: Any) -> Any:
        if self._closed:
            raise ValueError("the channel is closed")
        if self._credentials.changed():
            self._renew()
        generation = self._current
        metadata = self._credentials.metadata
        if metadata:
            how["metadata"] = (*(how.get("metadata") or ()), *metadata)
        call = generation.method(kind, path, options)(request, **how)
        generation.calls += 1
        call.add_done_callback(lambda _: self._over(generation))
        return call

    def _over(self, generation: _Generation) -> None:
        """Counts a call that is over; the last one of an older channel closes it."""
        generation.calls -= 1
        if generation in self._older:
            self._close_idle(generation)

    def _close_idle(self, generation: _Generation) -> None:
        if generation.calls or self._closed:
            return
        self._older.discard(generation)
        task = asyncio.ensure_future(generation.channel.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _renew(self) -> None:
        """Begins to connect another channel, in the place of one that is still connecting."""
        if self._connecting is not None:
            self._connecting.cancel()
        self._connecting = asyncio.create_task(self._connect(), name="kuntur-channel")

    async def _connect(self) -> None:
        coming = self._opened()
        try:
            await coming.channel_ready()
        except BaseException:
            await coming.close()
            raise
        before, self._current = self._current, _Generation(coming)
        self._older.add(before)
        self._close_idle(before)
