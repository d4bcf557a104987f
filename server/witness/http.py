"""A witness behind HTTP, by C2SP's tlog-witness: `POST /add-checkpoint`, `GET /ORIGIN-HASH/checkpoint`.

Requests are not authenticated but by the signature of the log. Nothing in them is secret; put a proxy with
TLS in front where the name of the witness has to be proved to its callers.
"""

from __future__ import annotations

import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog

from kuntur.transparency.errors import TransparencyError
from kuntur.transparency.notes.request import MAX_REQUEST_BYTES
from server.witness.refusals import (
    InconsistentCheckpointError,
    MalformedRequestError,
    OtherSizeError,
    RefusalError,
    UnknownLogError,
    UnsignedCheckpointError,
)
from server.witness.witness import Witness

_LOG = structlog.get_logger(__name__)
_MOST_CALLERS = 64
_SILENCE_S = 10.0

STATUS: dict[type[RefusalError], HTTPStatus] = {
    MalformedRequestError: HTTPStatus.BAD_REQUEST,
    UnsignedCheckpointError: HTTPStatus.FORBIDDEN,
    UnknownLogError: HTTPStatus.NOT_FOUND,
    OtherSizeError: HTTPStatus.CONFLICT,
    InconsistentCheckpointError: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""The status of each refusal, as the specification gives it."""


class WitnessServer(ThreadingHTTPServer):
    """Serves a witness, each caller on a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, witness: Witness) -> None:
        """Takes the port; 0 takes a free one. Raises OSError."""
        self.witness = witness
        self._places = threading.BoundedSemaphore(_MOST_CALLERS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Gives a caller a thread, or closes the connection where all are taken."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves a caller and gives its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Passes over callers that went away or fell silent; anything else is a fault, and is logged."""
        del request, client_address
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            _LOG.exception("a caller could not be served")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "kuntur-witness"
    sys_version = ""
    timeout = _SILENCE_S
    server: WitnessServer

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._answer(HTTPStatus.LENGTH_REQUIRED, "a request tells its length", last=True)
        elif int(length) > MAX_REQUEST_BYTES:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request is too large", last=True)
        elif self.path != "/add-checkpoint":
            self._answer(HTTPStatus.NOT_FOUND, "POST goes to /add-checkpoint", last=True)
        else:
            self._add_checkpoint(self.rfile.read(int(length)))

    def do_GET(self) -> None:
        parts = self.path.split("/")
        found = self.server.witness.checkpoint(parts[1]) if parts[2:] == ["checkpoint"] else None
        if found is None:
            self._answer(HTTPStatus.NOT_FOUND, "no checkpoint was cosigned here")
        else:
            self._answer(HTTPStatus.OK, found, "text/plain; charset=utf-8")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base's
        """Says nothing: what matters is logged where it is decided."""

    def _add_checkpoint(self, body: bytes) -> None:
        try:
            self._answer(HTTPStatus.OK, self.server.witness.add_checkpoint(body))
        except OtherSizeError as error:
            self._answer(STATUS[OtherSizeError], f"{error.size}\n".encode(), "text/x.tlog.size")
        except RefusalError as error:
            _LOG.info("refused", why=str(error), kind=type(error).__name__)
            self._answer(STATUS[type(error)], str(error))
        except (OSError, TransparencyError) as error:
            _LOG.exception("cannot cosign", why=str(error))
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "the witness cannot keep what it saw")

    def _answer(
        self, status: HTTPStatus, content: bytes | str, kind: str = "text/plain", *, last: bool = False
    ) -> None:
        body = content if isinstance(content, bytes) else f"{content}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if last:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
