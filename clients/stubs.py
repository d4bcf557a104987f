"""The stubs of every service of one server, on a channel that waits or on one that is awaited."""

# mypy: disable-error-code="no-untyped-call"
# (protoc's gRPC plugin writes the stubs without types)

from __future__ import annotations

import grpc
import grpc.aio

from kuntur.api.v1.history_service_pb2_grpc import HistoryServiceStub
from kuntur.api.v1.model_service_pb2_grpc import ModelServiceStub
from kuntur.api.v1.outcome_service_pb2_grpc import OutcomeServiceStub
from kuntur.api.v1.scoring_service_pb2_grpc import ScoringServiceStub


class Stubs:
    """One stub a service; their methods are waited for or awaited as the channel is."""

    def __init__(self, channel: grpc.Channel | grpc.aio.Channel) -> None:
        self.scoring = ScoringServiceStub(channel)
        self.outcome = OutcomeServiceStub(channel)
        self.model = ModelServiceStub(channel)
        self.history = HistoryServiceStub(channel)
