"""Addresses that hold a password: taken apart, shown without it, and kept out of messages.

Used for databases and tracking servers; who connects to them is left to others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

CONNECT_TIMEOUT_S = 10
_HIDDEN = "***"
_SECRET_PARAMETERS = {"password", "sslpassword", "passfile", "token"}
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_URI = re.compile(
    r"(?P<scheme>postgres(?:ql)?)://(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^:@/?#\s]*))?@)?"
    r"(?P<place>[^@/?#\s]*(?:/[^@/?#\s]*)?)(?:\?(?P<parameters>[^@#\s]*))?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Address of a PostgreSQL database; place: host, port and database, without user and password."""

    uri: str
    place: str
    parameters: str

    def with_timeout(self) -> str:
        """Returns the address with a bound on the time to connect, where it has none of its own."""
        if "connect_timeout=" in self.parameters:
            return self.uri
        return f"{self.uri}{'&' if '?' in self.uri else '?'}connect_timeout={CONNECT_TIMEOUT_S}"


def address_of(uri: str) -> Address:
    """Takes the address of a PostgreSQL database apart.

    Raises ValueError, without any part of it, when it is none: a password with a character that means
    something in an address would otherwise be taken for a host, and told in a message.
    """
    found = _URI.fullmatch(uri)
    if found is None or _BROKEN_ESCAPE.search(uri):
        raise ValueError(
            "is not an address such as postgresql://user:password@host:5432/database; in a password, write "
            "@ : / ? # and % as %40 %3A %2F %3F %23 and %25"
        )
    return Address(uri, found["place"] or "the default host", found["parameters"] or "")


def redacted(message: str, uri: str) -> str:
    """Returns a message without the address's secrets, as they are written in it and as they are meant."""
    _, _, rest = uri.partition("://")
    authority, _, parameters = rest.partition("?")
    user, at, _ = authority.rpartition("@")
    secrets = {value for name, value in parse_qsl(parameters) if name in _SECRET_PARAMETERS}
    if at and ":" in user:
        written = user.partition(":")[2]
        secrets |= {written, unquote(written)}
    for secret in sorted(filter(None, (uri, *secrets)), key=len, reverse=True):
        message = message.replace(secret, _HIDDEN)
    return message
