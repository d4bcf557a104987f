"""What answers while a server makes its history anew: health, and to all else that the server is starting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from google.rpc import status_pb2

from server.errors import StartingError
from server.rpc.admission.compression import TOO_LARGE, OversizedMessageError, unpacked
from server.rpc.calls.transport import options_of
from server.rpc.endpoints.health import HEALTH, LONGEST_REQUEST, Health
from server.rpc.errors import CallStatus, ErrorTable, abort
from server.settings.limits import Limits

_MOST_CALLS = 4096  # beyond that gRPC refuses by itself: a flood must not take memory


class StandInServer:
    """A server that serves nothing, until its process ends. It asks nobody who they are: it tells nothing."""

    def __init__(
        self, listening: Sequence[tuple[str, grpc.ServerCredentials | None]], limits: Limits
    ) -> None:
        """Takes addresses, in plain text without credentials. Raises OSError when one is not available."""
        self._health = Health()
        self._health.going_down()  # no service serves
        self._table = ErrorTable(limits.retry_delay_s)
        self._starting = CallStatus(self._table.status(StartingError()))
        self._handlers = {
            f"/{HEALTH}/Check": self._answering(self._health.check),
            f"/{HEALTH}/List": self._answering(self._health.list_all),
            f"/{HEALTH}/Watch": self._health.watching(),
        }
        # To gRPC every call may be a stream; what this one would send is not read.
        self._refusing: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(self._refuse)
        pool = ThreadPoolExecutor(limits.control_threads, thread_name_prefix="stand-in")
        self._server = grpc.server(
            pool, options=options_of(limits, reuse_port=True), maximum_concurrent_rpcs=_MOST_CALLS
        )
        self._server.add_generic_rpc_handlers((_Handlers(self._handler),))
        for address, credentials in listening:
            self._bind(address, credentials)

    def start(self) -> None:
        """Begins to answer."""
        self._server.start()

    def _bind(self, address: str, credentials: grpc.ServerCredentials | None) -> None:
        try:
            if credentials is None:
                self._server.add_insecure_port(address)
            else:
                self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error

    def _handler(self, method: str) -> grpc.RpcMethodHandler[Any, Any]:
        return self._handlers.get(method, self._refusing)

    def _refuse(self, _: Any, context: grpc.ServicerContext) -> NoReturn:
        abort(context, self._starting)

    def _answering(
        self, answer: Callable[[bytes], bytes | status_pb2.Status]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        def behave(raw: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                found = answer(unpacked(raw, LONGEST_REQUEST))
            except OversizedMessageError:
                abort(context, TOO_LARGE)
            except Exception as error:
                abort(context, CallStatus(self._table.status(error)))
            return found if isinstance(found, bytes) else abort(context, CallStatus(found))

        return grpc.unary_unary_rpc_method_handler(behave)


class _Handlers(grpc.GenericRpcHandler):
    """Finds the handler of each method, of whatever name."""

    def __init__(self, find: Callable[[str], grpc.RpcMethodHandler[Any, Any]]) -> None:
        self._find = find

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return self._find(handler_call_details.method)
