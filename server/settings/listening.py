"""Where a server listens: HOST:PORT, [IPv6]:PORT or unix:PATH, read once and refused in a sentence."""

from __future__ import annotations

import ipaddress
import re

_EXAMPLES = "for example 127.0.0.1:50051, [::1]:50051, localhost:50051, or unix:/run/kuntur.sock"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_HIGHEST_PORT = 65_535


def checked_address(address: str) -> str:
    """Returns `address` if a server can listen there.

    Raises:
        ValueError: It is none of the forms; the message says what is missing.
    """
    if address.startswith("unix:"):
        if not address.removeprefix("unix:"):
            raise ValueError(f"names no path, {_EXAMPLES}")
        return address
    host, separator, port = address.rpartition(":")
    if not separator or (":" in host and not host.startswith("[")):
        raise ValueError(f"should be HOST:PORT, with brackets around an IPv6 address, {_EXAMPLES}")
    if not host:
        raise ValueError("names no host: 0.0.0.0 or [::] listens on every address of this machine")
    if not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
        raise ValueError(f"has no port from 0 to {_HIGHEST_PORT} after its last colon, {_EXAMPLES}")
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1] if host.endswith("]") else "")
        except ValueError:
            raise ValueError(f"has no IPv6 address in its brackets, {_EXAMPLES}") from None
    elif not _HOST.fullmatch(host):
        raise ValueError(f"has a host that is neither a name nor an address, {_EXAMPLES}")
    return address


def stays_here(address: str) -> bool:
    """Returns whether only this machine reaches `address`; a name other than localhost may lead anywhere."""
    if is_socket_file(address):
        return True
    return is_loopback(address.rpartition(":")[0])


def is_loopback(host: str) -> bool:
    """Returns whether a host is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_socket_file(address: str) -> bool:
    """Returns whether `address` is a Unix domain socket, which only one process can listen on."""
    return address.startswith("unix:")
