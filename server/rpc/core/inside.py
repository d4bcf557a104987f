"""Lists what the fast transport uses of grpcio's inside, and checks that it is there as tested."""

from __future__ import annotations

import importlib
import inspect

import grpc

TESTED = ("1.85.",)
"""Versions of grpcio, by prefix, that the tests have run with."""
NAMES = (
    ("grpc._server", "_Server"),
    ("grpc._server", "_ServerStage"),
    ("grpc._server", "_Context"),
    ("grpc._server", "_process_event_and_continue"),
    ("grpc._server", "_request_call"),
    ("grpc._server", "_request_registered_call"),
    ("grpc._server", "_stop_serving"),
    ("grpc._server", "_begin_shutdown_once"),
    ("grpc._server", "_REQUEST_CALL_TAG"),
    ("grpc._cython.cygrpc", "CompletionType"),
    ("grpc._cython.cygrpc", "ReceiveMessageOperation"),
    ("grpc._cython.cygrpc", "ReceiveCloseOnServerOperation"),
    ("grpc._cython.cygrpc", "SendInitialMetadataOperation"),
    ("grpc._cython.cygrpc", "SendMessageOperation"),
    ("grpc._cython.cygrpc", "SendStatusFromServerOperation"),
    ("grpc._cython.cygrpc", "Server"),
)
"""Modules and what is used of them."""
_PARAMETERS = {
    "_process_event_and_continue": ("state", "event"),
    "_request_call": ("state",),
    "_request_registered_call": ("state", "method"),
    "_stop_serving": ("state",),
    "_begin_shutdown_once": ("state",),
    "_Context": ("rpc_event", "state", "request_deserializer"),
    "_Server": (
        "thread_pool",
        "generic_handlers",
        "interceptors",
        "options",
        "maximum_concurrent_rpcs",
        "compression",
        "xds",
    ),
}
_SERVER_METHODS = ("register_method", "request_registered_call", "start", "destroy", "cancel_all_calls")


def missing() -> str | None:
    """Returns what is not as tested, the first of it, as part of a sentence; None if all is."""
    if not grpc.__version__.startswith(TESTED):
        return f"this version was not tested, only {', '.join(TESTED)}x"
    for module_name, name in NAMES:
        try:
            found = found_in(module_name, name)
        except ImportError as error:
            return f"{module_name} cannot be imported ({error})"
        if found is None:
            return f"{module_name}.{name} is not there"
        expected = _PARAMETERS.get(name)
        if expected is not None and _parameters(found) != expected:
            return f"{module_name}.{name} takes other arguments"
        if name == "Server":
            for method in _SERVER_METHODS:
                if not hasattr(found, method):
                    return f"{module_name}.{name}.{method} is not there"
    return None


def found_in(module_name: str, name: str) -> object:
    """Returns what a module has under a name, None where it has nothing. Raises ImportError."""
    return getattr(importlib.import_module(module_name), name, None)


def _parameters(function: object) -> tuple[str, ...] | None:
    try:
        names = tuple(inspect.signature(function).parameters)  # type: ignore[arg-type]  # a ValueError tells
    except (TypeError, ValueError):
        return None
    return names
