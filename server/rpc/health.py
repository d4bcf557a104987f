"""Health as balancers ask for it: serving while a model is live and the server is not going down."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICES = ("", "kuntur.api.v1.ScoringService")


class Health:
    """The state of the server as grpc.health.v1 tells it. Safe for threads."""

    def __init__(self) -> None:
        """Starts as NOT_SERVING."""
        self._servicer: Any = health.HealthServicer()
        self._set(health_pb2.HealthCheckResponse.NOT_SERVING)

    def add_to(self, server: grpc.Server) -> None:
        """Registers the service."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def serving(self) -> None:
        """Reports SERVING, unless the server is going down."""
        self._set(health_pb2.HealthCheckResponse.SERVING)

    def not_serving(self) -> None:
        """Reports NOT_SERVING."""
        self._set(health_pb2.HealthCheckResponse.NOT_SERVING)

    def going_down(self) -> None:
        """Reports NOT_SERVING for good."""
        self._servicer.enter_graceful_shutdown()

    def _set(self, status: Any) -> None:
        for service in SERVICES:
            self._servicer.set(service, status)
