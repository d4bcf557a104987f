"""Certificates and keys as they stand in files, checked before anything is served with them.

What is refused here would only show as handshakes that fail, without a word about the cause.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from kuntur.files.paths import UnusableFileError, content_of
from server.errors import TlsError

_MAX_BYTES = 1 << 20
_LEAST_RSA_BITS = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1)  # clients of gRPC verify no other, Ed25519 included
_OTHERS_READ = 0o007


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a server's certificate and key are, and the CAs of those who call it, if they show one."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What stands in the files, unread."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


@dataclass(frozen=True, slots=True)
class Material:
    """Files that can be served with."""

    contents: Contents
    serial: str
    """Serial number of the server's certificate, in hexadecimal digits, by which its CA knows it."""
    expires: datetime
    """When the first certificate of the server's file expires."""
    client_ca_expires: datetime | None
    """When the first of the callers' CAs expires."""


def read(files: TlsFiles) -> Contents:
    """Returns what stands in the files. Raises TlsError, which names the file."""
    client_ca = None if files.client_ca is None else _read(files.client_ca)
    return Contents(_read(files.certificate), _read(files.key), client_ca)


def checked(files: TlsFiles, contents: Contents) -> Material:
    """Returns what can be served with.

    Raises TlsError, which names the file: it is not PEM, the key is encrypted or is another certificate's, a
    certificate has expired or is not valid yet, or clients of gRPC would not take it.
    """
    chain = certificates(files.certificate, contents.certificate)
    leaf = chain[0]
    _check_times(files.certificate, leaf)
    _check_kind(files.certificate, leaf)
    _check_key(files, contents.key, leaf)
    authorities: Sequence[x509.Certificate] = ()
    if files.client_ca is not None and contents.client_ca is not None:
        authorities = certificates(files.client_ca, contents.client_ca)
        if all(each.not_valid_after_utc <= datetime.now(UTC) for each in authorities):
            raise TlsError(f"{files.client_ca}: every certificate in it has expired")
    return Material(
        contents,
        serial=f"{leaf.serial_number:x}",
        expires=_first(chain),
        client_ca_expires=_first(authorities) if authorities else None,
    )


def certificates(path: Path, content: bytes) -> list[x509.Certificate]:
    """Returns the certificates of a PEM file. Raises TlsError, which names it."""
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise TlsError(f"{path}: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)") from error


def readable_by_others(path: Path) -> bool:
    """Returns whether accounts other than the file's own and its group may read it, change it or run it."""
    try:
        return bool(path.stat().st_mode & _OTHERS_READ)
    except OSError:
        return False


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return content_of(descriptor, _MAX_BYTES)
        finally:
            os.close(descriptor)
    except UnusableFileError as error:
        raise TlsError(f"{path}: {error}") from error
    except OSError as error:
        raise TlsError(f"{path}: cannot be read: {error.strerror}") from error


def _check_times(path: Path, leaf: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc <= now:
        raise TlsError(f"{path}: the certificate expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}")
    if leaf.not_valid_before_utc > now:
        raise TlsError(
            f"{path}: the certificate is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M:%SZ} on"
        )


def _check_kind(path: Path, leaf: x509.Certificate) -> None:
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return  # then it may be used for everything
    except ValueError as error:
        raise TlsError(f"{path}: the certificate's extensions cannot be read") from error
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(uses):
        raise TlsError(f"{path}: the certificate is not for servers (extended key usage without serverAuth)")


def _check_key(files: TlsFiles, content: bytes, leaf: x509.Certificate) -> None:
    try:
        key = load_pem_private_key(content, None)
    except TypeError as error:
        raise TlsError(f"{files.key}: the key is encrypted; it must have no password") from error
    except (ValueError, UnsupportedAlgorithm):
        # Without what the library says of the content.
        raise TlsError(f"{files.key}: holds no private key in PEM (-----BEGIN PRIVATE KEY-----)") from None
    try:
        fits = key.public_key() == leaf.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsError(f"{files.certificate}: has a public key of an unknown kind") from error
    if not fits:
        raise TlsError(
            f"{files.key}: is not the key of the first certificate in {files.certificate}; the server's own "
            "certificate comes first there"
        )
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < _LEAST_RSA_BITS:
            raise TlsError(f"{files.key}: has {key.key_size} bits, and RSA needs {_LEAST_RSA_BITS:,} or more")
    elif not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES)):
        raise TlsError(
            f"{files.key}: is neither RSA nor ECDSA on P-256 or P-384, and clients verify no other"
        )


def _first(chain: Sequence[x509.Certificate]) -> datetime:
    return min(each.not_valid_after_utc for each in chain)
