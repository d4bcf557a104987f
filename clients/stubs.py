"""The stubs of every service of one server, and what a call on them raises when it fails.

The channel waits or is awaited; which of the two, and its closing, is left to the clients.
"""

# mypy: disable-error-code="no-untyped-call"
# (protoc's gRPC plugin writes the stubs without types)

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio

from clients.errors import KunturError, Unavailable, cancelled, error_from_rpc
from clients.proxies import proxy_in_force
from kuntur.api.v1.history_service_pb2_grpc import HistoryServiceStub
from kuntur.api.v1.model_service_pb2_grpc import ModelServiceStub
from kuntur.api.v1.outcome_service_pb2_grpc import OutcomeServiceStub
from kuntur.api.v1.scoring_service_pb2_grpc import ScoringServiceStub

_CLOSED = "The client is closed."


class Stubs:
    """One stub a service; their methods are waited for or awaited as the channel is."""

    def __init__(
        self,
        channel: Any,
        target: str = "",
        explain: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Makes the stubs of a channel.

        Args:
            channel: One of gRPC's, waiting or awaited, or one that makes calls as they do.
            target: The address that it was opened to, for error messages.
            explain: Returns what may be behind a failed connection, in a sentence, from gRPC's words.
        """
        self.scoring = ScoringServiceStub(channel)
        self.outcome = OutcomeServiceStub(channel)
        self.model = ModelServiceStub(channel)
        self.history = HistoryServiceStub(channel)
        self._target = target
        self._explain = explain
        self.closed = False
        """Whether the client has closed the channel; set before it does."""

    def failure(self, error: grpc.RpcError, *, ended_here: bool = False) -> KunturError:
        """Returns the exception for a failed call, with a word about the proxy where one may be the cause.

        Args:
            error: What gRPC raised.
            ended_here: Whether this side ended the call; closing the client counts as that too.
        """
        failure = error_from_rpc(error, ended_here=ended_here or self.closed)
        if isinstance(failure, Unavailable) and not failure.details.reason and self._target:
            for more in (proxy_in_force(self._target), self._explain(failure.message)):
                if more is not None:
                    failure = Unavailable(f"{failure.message}. {more}", failure.details)
        return failure

    @contextmanager
    def call(self) -> Iterator[None]:
        """Turns the failure of a call made within into a KunturError: Cancelled once the client is closed."""
        try:
            yield
        except grpc.RpcError as error:
            raise self.failure(error) from error
        except (ValueError, grpc.aio.UsageError) as error:
            # A closed channel refuses a call with ValueError, or awaited with UsageError, and no status.
            if not self.closed:
                raise
            raise cancelled(_CLOSED) from error
        except asyncio.CancelledError as error:
            # Closing cancels the calls that are awaited: theirs to know, unless the task itself is cancelled.
            task = asyncio.current_task()
            if not self.closed or task is None or task.cancelling():
                raise
            raise cancelled(_CLOSED) from error
