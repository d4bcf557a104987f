"""Where an issuer's keys come from: a file, or an address that is asked over https."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from server.settings.listening import is_loopback

_MOST_BYTES = 1 << 20
_TIMEOUT_S = 5.0
Stamp = tuple[int, int, int]


class KeySource(Protocol):
    """Gives the bytes of a key set. For one thread."""

    name: str
    """What it is called in the log."""
    costs: bool
    """Whether asking costs somebody else something, and so is bounded."""

    def read(self) -> bytes | None:
        """Returns them; None where they have not changed since. Raises OSError."""


class KeyFile:
    """A file, read when it is another one than before."""

    costs = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._stamp: Stamp | None = None

    def read(self) -> bytes | None:
        """Returns what is in it, None where it has not changed. Raises OSError."""
        stamp = stamp_of(self._path)
        if stamp == self._stamp:
            return None
        raw = read_bounded(self._path)
        self._stamp = stamp
        return raw


class KeyAddress:
    """An address. It is asked directly: what redirects elsewhere is refused."""

    costs = True

    def __init__(self, url: str, ca_path: Path | None = None) -> None:
        """Takes the address, and who vouches for its host. Raises OSError where that cannot be read."""
        self.name = url
        context = ssl.create_default_context(cafile=str(ca_path) if ca_path else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.HTTPSHandler(context=context),
            _NoRedirect(),
        ]
        if is_loopback(urlsplit(url).hostname or ""):
            handlers.append(urllib.request.ProxyHandler({}))  # no proxy leads back to this machine
        self._opener = urllib.request.build_opener(*handlers)
        self._request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310
        # (the settings take https alone, and http on this machine)

    def read(self) -> bytes:
        """Returns what is there now. Raises OSError."""
        try:
            with self._opener.open(self._request, timeout=_TIMEOUT_S) as answer:
                raw: bytes = answer.read(_MOST_BYTES + 1)
                if len(raw) <= _MOST_BYTES and answer.length:
                    raise OSError("its answer ended early")  # noqa: TRY301  # told as all others
        except OSError:
            raise
        except Exception as error:  # http.client has errors of its own for what is no HTTP
            raise OSError(f"it did not answer as a web server does ({type(error).__name__})") from error
        if len(raw) > _MOST_BYTES:
            raise OSError(f"its answer is longer than {_MOST_BYTES:,} bytes")
        return raw


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,  # noqa: ARG002  # as the framework calls it
        headers: Any,
        newurl: str,  # noqa: ARG002
    ) -> None:
        raise urllib.error.HTTPError(req.full_url, code, "it redirects elsewhere", headers, fp)


def stamp_of(path: Path) -> Stamp:
    """Returns what changes when a file does. Raises OSError."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def read_bounded(path: Path) -> bytes:
    """Returns the bytes of a file of at most a mebibyte. Raises OSError."""
    with path.open("rb") as file:
        raw = file.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise OSError(f"{path} is longer than {_MOST_BYTES:,} bytes")
    return raw
