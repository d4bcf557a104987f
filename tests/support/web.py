"""A web server of loopback whose answers the test sets."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.identities import Certified

Answer = tuple[int, bytes, dict[str, str]]


@contextmanager
def web_server(
    answer: Callable[[str], Answer], *, tls: Certified | None = None, folder: Path | None = None
) -> Iterator[str]:
    """Runs one while the block lasts; yields its address.

    answer: takes a path to status, body and headers; tls: what it speaks TLS with, kept in `folder`
    meanwhile.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body, headers = answer(self.path)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme, host = "http", "127.0.0.1"
    if tls is not None and folder is not None:
        (folder / "web.pem").write_bytes(tls.certificate + tls.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "web.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme, host = "https", "localhost"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{scheme}://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
