"""What a client shows to a server and trusts of it: certificates and a token, in files that may change."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from clients.config import ClientConfig
from clients.errors import UnusableCredentials, unusable
from clients.proxies import never_by_proxy

LOOK_SECONDS = 1.0
"""Time between two looks at the files, which calls do by the way."""
_LOG = logging.getLogger(__name__)
_MAX_BYTES = 1 << 20
_MAX_TOKEN_BYTES = 16 << 10
_TRIES = 3
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Contents:
    """What stands in the files."""

    ca: bytes | None
    certificate: bytes | None
    key: bytes | None = field(repr=False)


class Credentials:
    """The certificates and the token of a client; safe for threads.

    Files that cannot be used are an error at first; later those before stay, which is logged once.
    """

    def __init__(self, config: ClientConfig, target: str) -> None:
        """Reads the files.

        Raises UnusableCredentials, ValueError when a token would go to `target` in plain text.
        """
        if config.token_file is not None and not config.uses_tls:
            _refuse_plain_token(config, target)
        self._config = config
        self._lock = threading.Lock()
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._doubt = ""  # why the files could not be used at the last look
        self._told = ""  # the same, as it was logged
        self._contents = self._read()
        self._metadata = self._read_token()

    @property
    def renews(self) -> bool:
        """Whether there are files that may change."""
        config = self._config
        return any(each is not None for each in (config.ca, config.certificate, config.token_file))

    @property
    def metadata(self) -> Metadata:
        """What goes with each call."""
        return self._metadata

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """Returns those of a channel with the certificates in force; None without TLS."""
        if not self._config.uses_tls:
            return None
        contents = self._contents
        return grpc.ssl_channel_credentials(contents.ca, contents.key, contents.certificate)

    def changed(self) -> bool:
        """Looks at the files when it is time to; returns whether the channel has to be made anew."""
        if time.monotonic() < self._look_at or not self._lock.acquire(blocking=False):
            return False  # another thread looks
        try:
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._metadata = self._read_token()
            contents = self._read()
            changed = contents != self._contents
            self._contents = contents
            self._doubt = self._told = ""
        except UnusableCredentials as error:
            # At the second look: files that are replaced one after the other do not fit for a moment.
            if error.message == self._doubt and error.message != self._told:
                self._told = error.message
                _LOG.warning("changed credentials cannot be used, those before stay: %s", error.message)
            self._doubt = error.message
            return False
        else:
            return changed
        finally:
            self._lock.release()

    def _read(self) -> _Contents:
        """Returns what the files hold, which fits each other. Raises UnusableCredentials."""
        contents = self._read_once()
        for _ in range(_TRIES):
            problem = self._problem()
            again = self._read_once()
            if again == contents:
                if problem:
                    raise unusable(problem)
                return contents
            contents = again  # somebody is replacing them
        raise unusable("The files of certificates change all the time.")

    def _read_once(self) -> _Contents:
        config = self._config
        return _Contents(_read(config.ca), _read(config.certificate), _read(config.key))

    def _problem(self) -> str | None:
        """Returns why the files cannot be used, in a sentence; OpenSSL takes them from files alone."""
        config = self._config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if config.ca is not None:
                context.load_verify_locations(config.ca)
        except (ssl.SSLError, OSError):
            return f"{config.ca}: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)."
        try:
            if config.certificate is not None and config.key is not None:
                context.load_cert_chain(config.certificate, config.key, password=_no_password)
        except _EncryptedKeyError:
            return f"{config.key}: the key is encrypted; it must have no password."
        except (ssl.SSLError, OSError):
            return f"{config.certificate} and {config.key}: are no certificate in PEM and its private key."
        return None

    def _read_token(self) -> Metadata:
        path = self._config.token_file
        if path is None:
            return ()
        try:
            token = (_read(path) or b"").decode("ascii").strip()
        except UnicodeDecodeError:
            token = ""
        if not token or len(token) > _MAX_TOKEN_BYTES or not token.isprintable() or " " in token:
            raise unusable(f"{path}: holds no token: one word of ASCII, of 16 KiB at most.")
        return (("authorization", f"Bearer {token}"),)


def explanation_for(config: ClientConfig) -> Callable[[str], str | None]:
    """Returns what finds, in gRPC's words for a failed connection, what may be wrong with TLS."""

    def explain(message: str) -> str | None:
        if "CERTIFICATE_VERIFY_FAILED" in message:
            if "expired" in message:
                return "The server's certificate has expired."
            return "The server's certificate is of no authority in ca."
        if "Hostname Verification" in message:
            return "The server's certificate is for another name: give that as server_name if it is right."
        if "WRONG_VERSION_NUMBER" in message:
            return "The server speaks no TLS there."
        if "Socket closed" not in message and "Connection reset" not in message:
            return None
        if not config.uses_tls:
            return "If the server speaks TLS, give the authorities of its certificate as ca."
        if config.certificate is None:
            return "The server may ask for a certificate: give certificate and key."
        return "The server may not take this certificate."

    return explain


def _refuse_plain_token(config: ClientConfig, target: str) -> None:
    if not never_by_proxy(target):
        raise ValueError("a token never goes in plain text to another machine: give ca, or say tls")
    if not config.allow_plaintext_token:
        raise ValueError(
            "a token would go in plain text: give ca, or say tls; a test on this machine may say "
            "allow_plaintext_token"
        )


def _read(path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise unusable(f"{path}: cannot be read: {error.strerror}.") from error
    if len(content) > _MAX_BYTES:
        raise unusable(f"{path}: is too large.")
    return content


class _EncryptedKeyError(Exception):
    pass


def _no_password() -> str:
    # Else OpenSSL would ask for it on the terminal, and wait.
    raise _EncryptedKeyError
