"""The stubs of every service of one server, and what a call on them raises when it fails.

The channel waits or is awaited; which of the two, and its closing, is left to the clients.
"""

# mypy: disable-error-code="no-untyped-call"
# (protoc's gRPC plugin writes the stubs without types)

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import grpc.aio

from clients.errors import cancelled, error_from_rpc
from kuntur.api.v1.history_service_pb2_grpc import HistoryServiceStub
from kuntur.api.v1.model_service_pb2_grpc import ModelServiceStub
from kuntur.api.v1.outcome_service_pb2_grpc import OutcomeServiceStub
from kuntur.api.v1.scoring_service_pb2_grpc import ScoringServiceStub

_CLOSED = "The client is closed."


class Stubs:
    """One stub a service; their methods are waited for or awaited as the channel is."""

    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None:
        self.scoring = ScoringServiceStub(channel)
        self.outcome = OutcomeServiceStub(channel)
        self.model = ModelServiceStub(channel)
        self.history = HistoryServiceStub(channel)
        self.closed = False
        """Whether the client has closed the channel; set before it does."""

    @contextmanager
    def call(self) -> Iterator[None]:
        """Turns the failure of a call made within into a KunturError: Cancelled once the client is closed."""
        try:
            yield
        except grpc.RpcError as error:
            raise error_from_rpc(error) from error
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
