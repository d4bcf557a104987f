"""Tries one call and one stream on a server that nobody else sees, before callers come.

Names and arguments can be inspected; that grpcio still does with them what it did when the fast transport was
written can only be tried.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import threading
from typing import Any

import grpc

from server.rpc.admission.callers import CallerNames
from server.rpc.admission.gates import Admission
from server.rpc.calls.edge import Edge
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.calls.transport import Patience, TransportSettings, options_of
from server.rpc.core.transport import FastTransport
from server.rpc.errors import ErrorTable
from server.settings.limits import Limits
from server.telemetry.metrics import ServerMetrics

_TIMEOUT_S = 30.0  # a machine that is busy is not a grpcio that fails
_CALL, _STREAM = "/kuntur.Rehearsal/Call", "/kuntur.Rehearsal/Stream"
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


def failure() -> str | None:
    """Returns why the fast transport does not answer, as part of a sentence; None where it does.

    It goes over a Unix domain socket without a file.
    """
    limits = Limits()
    edge = Edge(Admission(limits), ErrorTable(1.0), ServerMetrics(), Lifetimes(60.0))
    failed = threading.Event()
    address = f"unix-abstract:kuntur-{os.getpid()}-{secrets.token_hex(8)}"
    channel = grpc.insecure_channel(address, options=_OPTIONS)

    def fail() -> None:
        failed.set()
        channel.close()  # there is nothing to wait for any more

    settings = TransportSettings(
        options_of(limits, reuse_port=False),
        control_threads=1,
        names=CallerNames(""),
        patience=Patience(_TIMEOUT_S, _TIMEOUT_S, limits.max_held_bytes, limits.max_unread_bytes),
        waits=lambda: False,
        on_failure=fail,
    )
    transport = FastTransport(edge, settings)
    try:
        transport.add_unary(_CALL, _echo, short=True)
        transport.add_stream(_STREAM, _echo)
        transport.bind(address)
        transport.start()
        with channel:
            call: Any = channel.unary_unary(_CALL)
            stream: Any = channel.stream_stream(_STREAM)
            answers = [call(b"a", timeout=_TIMEOUT_S), *stream(iter((b"b", b"c")), timeout=_TIMEOUT_S)]
        ended = transport.stop(None).wait(_TIMEOUT_S) and not failed.is_set()
        transport.shut_down()
        if answers == [b"a", b"b", b"c"] and ended:
            return None
        why = "its answers in a rehearsal were wrong" if ended else "it did not end in a rehearsal"
    except Exception as error:
        why = f"it failed in a rehearsal ({_short(error)})"
    # Never freed: gRPC would wait without a limit for the end of a server that is.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(transport))
    return why


def _echo(request: bytes) -> bytes:
    return request


def _short(error: Exception) -> str:
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"
