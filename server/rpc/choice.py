"""Chooses the transport: the fast one where grpcio's inside is as it was tested, else the plain one."""

from __future__ import annotations

import importlib

import grpc
import structlog

from server.errors import TransportError
from server.rpc.calls.edge import Edge
from server.rpc.calls.transport import Transport, TransportSettings
from server.rpc.core import inside
from server.rpc.plain import PlainTransport
from server.settings.sections import TransportChoice

_LOG = structlog.get_logger(__name__)


def chosen_transport(choice: TransportChoice, edge: Edge, settings: TransportSettings) -> Transport:
    """Returns the transport that the settings choose. Raises TransportError where `fast` is not possible."""
    if choice == "plain":
        return PlainTransport(edge, settings)
    why = inside.missing() or _failure()
    if why is None:
        fast = importlib.import_module("server.rpc.core.transport")
        transport: Transport = fast.FastTransport(edge, settings)
        edge.metrics.transport(transport.name)
        return transport
    if choice == "fast":
        raise TransportError(
            f'rpc.transport = "fast" is not possible with grpcio {grpc.__version__}: {why}; '
            'set it to "auto" or "plain", or install a grpcio that the server was tested with'
        )
    _LOG.warning(
        "grpcio is not as tested: the plain transport serves, which is several times slower",
        grpcio=grpc.__version__,
        why=why,
    )
    return PlainTransport(edge, settings)


def _failure() -> str | None:
    """Returns why the fast transport cannot be made or does not answer, None where it does."""
    try:
        # Imported only now, so that an untested grpcio does not keep the server from starting.
        rehearsal = importlib.import_module("server.rpc.core.rehearsal")
        why: str | None = rehearsal.failure()
    except Exception as error:  # an untested inside may raise anything
        return f"the fast transport could not be made ({error})"
    return why
