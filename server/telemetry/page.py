"""The page of metrics that Prometheus reads over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, start_http_server


def offer(registry: CollectorRegistry, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Offers a registry's metrics at `/metrics`; returns the port and what ends that. Raises OSError."""
    server, thread = start_http_server(port, addr=host, registry=registry)

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return int(server.server_port), close
