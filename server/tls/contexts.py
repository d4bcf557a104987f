"""TLS of Python's own sockets, for the page of metrics: a context that follows its files."""

from __future__ import annotations

import ssl
from pathlib import Path

from server.errors import TlsError
from server.tls.material import Material, TlsFiles
from server.tls.watch import CertificateWatch

_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all sound


class ServedContext:
    """The context of the files in force. Callers show a certificate where there are CAs of theirs."""

    def __init__(self, files: TlsFiles, interval_s: float, use: str) -> None:
        """Reads the files. Raises TlsError when they cannot be used."""
        self._files = files
        self._watch = CertificateWatch(files, interval_s, use)
        self._of: Material = self._watch.material
        self._context = _context(files, self._of)

    def start(self) -> None:
        """Begins to look at the files."""
        self._watch.start()

    def stop(self) -> None:
        """Ends it."""
        self._watch.stop()

    def current(self) -> ssl.SSLContext:
        """Returns the context for the next handshake. For one thread."""
        material = self._watch.material
        if material is not self._of:
            try:
                self._context = _context(self._files, material)
            except TlsError:
                return self._context  # the files changed again in between: the watch tells what is wrong
            self._of = material
        return self._context


def check_client_files(ca: Path | None, certificate: Path | None, key: Path | None) -> None:
    """Refuses files for a connection to another server that cannot be used.

    Raises:
        TlsError: Names the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        _load_authorities(context, ca)
    if certificate is not None and key is not None:
        _load_pair(context, certificate, key)


def _context(files: TlsFiles, material: Material) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    _load_pair(context, files.certificate, files.key)  # OpenSSL's API in Python takes keys from files alone
    if material.contents.client_ca is not None:
        context.load_verify_locations(cadata=material.contents.client_ca.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _EncryptedKeyError as error:
        raise TlsError(f"{key}: the key is encrypted; it must have no password") from error
    except ssl.SSLError as error:
        raise TlsError(f"{certificate} and {key}: are no certificate in PEM and its private key") from error
    except OSError as error:
        raise TlsError(f"{certificate} or {key}: cannot be read: {error.strerror}") from error


def _load_authorities(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise TlsError(f"{ca}: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)") from error
    except OSError as error:
        raise TlsError(f"{ca}: cannot be read: {error.strerror}") from error


class _EncryptedKeyError(Exception):
    pass


def _no_password() -> str:
    # Else OpenSSL would ask for it on the terminal, and wait.
    raise _EncryptedKeyError
