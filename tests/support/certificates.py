"""Authorities and certificates for tests, sound ones and such as must be refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
HERE = ("localhost", "127.0.0.1")
"""Names under which tests reach a server."""


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Writes both, each whole by a rename; returns the paths of certificate and key."""
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        for path, content in zip(paths, (self.certificate, self.key), strict=True):
            replace(path, content)
        return paths


def replace(path: Path, content: bytes) -> Path:
    """Puts content in the place of a file as those who rotate certificates do: by a rename."""
    new = path.with_name(path.name + ".new")
    new.touch(mode=0o600)
    new.write_bytes(content)
    new.replace(path)
    return path


class Authority:
    """An authority of its own, which signs whatever it is asked to."""

    def __init__(self, name: str = "Test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        now = datetime.now(UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = signed.public_bytes(Encoding.PEM)
        """Its own certificate, as PEM."""

    def server(
        self,
        *names: str,
        valid: timedelta = timedelta(days=90),
        begins: timedelta = timedelta(days=-30),
        usage: x509.ObjectIdentifier | None = SERVER,
        key: CertificateIssuerPrivateKeyTypes | None = None,
        password: bytes | None = None,
    ) -> Pair:
        """Signs a server's certificate, for `HERE` unless names are given; valid, begins: from now on."""
        return self._sign("server", names or HERE, valid, begins, usage, key, password)

    def client(
        self,
        name: str = "bank",
        *,
        uris: Sequence[str] = (),
        valid: timedelta = timedelta(days=90),
        usage: x509.ObjectIdentifier | None = CLIENT,
    ) -> Pair:
        """Signs a caller's certificate; uris: of its subject alternative name, such as a SPIFFE id."""
        return self._sign(name, uris, valid, timedelta(days=-30), usage, None, None)

    def _sign(
        self,
        subject: str,
        names: Sequence[str],
        valid: timedelta,
        begins: timedelta,
        usage: x509.ObjectIdentifier | None,
        key: CertificateIssuerPrivateKeyTypes | None,
        password: bytes | None,
    ) -> Pair:
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(subject))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + valid)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([*map(_general, names)]), False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        encryption: KeySerializationEncryption = NoEncryption()
        if password is not None:
            encryption = BestAvailableEncryption(password)
        return Pair(
            builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption),
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    if "://" in name:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
