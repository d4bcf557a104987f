"""The page of metrics that Prometheus reads over HTTP or HTTPS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app, start_http_server

from server.settings.sections import MetricsSettings
from server.tls.contexts import ServedContext
from server.tls.material import TlsFiles

_LOG = structlog.get_logger(__name__)
_CHECK_S = 1.0  # between two looks at the certificate
_PATIENCE_S = 10.0  # for a handshake, and for each read


def offer(registry: CollectorRegistry, settings: MetricsSettings) -> tuple[int, Callable[[], None]]:
    """Offers a registry's metrics at `/metrics`; returns the port and what ends that.

    Raises OSError when the port is not available, `server.errors.TlsError` when the certificate is not.
    """
    if settings.certificate is None or settings.key is None:
        server, thread = start_http_server(settings.port, addr=settings.host, registry=registry)
        return int(server.server_port), lambda: _end(server, thread)
    files = TlsFiles(settings.certificate, settings.key, settings.client_ca)
    context = ServedContext(files, _CHECK_S, "metrics")
    with ExitStack() as undone:
        context.start()
        undone.callback(context.stop)
        page = _page_server(settings, registry, context)
        undone.pop_all()
    thread = threading.Thread(target=page.serve_forever, name="metrics", daemon=True)
    thread.start()

    def close() -> None:
        _end(page, thread)
        context.stop()

    return int(page.server_port), close


class _PageServer(ThreadingMixIn, WSGIServer):
    """Speaks TLS. A handshake has a thread of its own: a caller that is silent holds up nobody else."""

    daemon_threads = True
    context: ServedContext

    def get_request(self) -> tuple[socket.socket, Any]:
        """Takes a connection."""
        connection, address = super().get_request()
        connection.settimeout(_PATIENCE_S)
        wrapped = self.context.current().wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # the base's signature
        """Leaves it at a line: handshakes that fail are every scan's."""
        _LOG.debug("a request for the metrics failed", exc_info=True)


class _PageServer6(_PageServer):
    address_family = socket.AF_INET6


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's signature
        """Writes nothing: Prometheus asks every few seconds."""


def _page_server(
    settings: MetricsSettings, registry: CollectorRegistry, context: ServedContext
) -> _PageServer:
    family, *_, where = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    kind = _PageServer6 if family == socket.AF_INET6 else _PageServer
    page = make_server(str(where[0]), settings.port, make_wsgi_app(registry), kind, _Silent)
    page.context = context
    return page


def _end(server: WSGIServer, thread: threading.Thread) -> None:
    server.shutdown()
    server.server_close()
    thread.join()
