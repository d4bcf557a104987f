"""Keys of signers: ECDSA on P-256, from PEM files; the arithmetic is the `cryptography` package's."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kuntur.files.paths import UnusableFileError, content_of

_MAX_BYTES = 16 << 10
_ALGORITHM = ec.ECDSA(hashes.SHA256())


class KeyFileError(ValueError):
    """A file that holds no key that can be used: which one, and why."""


class PublicKey:
    """What a signer's signatures are verified with."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        """Takes a key on P-256."""
        self._key = key
        self.pem = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        """The key as a PEM file has it."""
        self.id = hashlib.sha256(self.pem).hexdigest()
        """What a signature names its key by: the SHA-256 of the PEM file, in hexadecimal."""

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Returns whether a signature, DER, is this key's over a message."""
        try:
            self._key.verify(signature, message, _ALGORITHM)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """What a signer signs with."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        """Takes a key on P-256."""
        self._key = key
        self.public = PublicKey(key.public_key())
        """Its public half."""

    def sign(self, message: bytes) -> bytes:
        """Returns the signature over a message, DER."""
        return self._key.sign(message, _ALGORITHM)


def read_private_key(path: Path, password: str | None = None) -> SigningKey:
    """Returns the key of a PEM file.

    Args:
        path: The file.
        password: What it is encrypted with; None for one that is not.

    Raises:
        KeyFileError: It cannot be read, or holds no such key.
    """
    content = _content(path)
    try:
        key = serialization.load_pem_private_key(content, None if password is None else password.encode())
    except TypeError as error:  # cryptography's answer to a password too many or too few
        wanted = "is encrypted and needs its password" if password is None else "is not encrypted"
        raise KeyFileError(f"{path} {wanted}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        what = "no private key in PEM" if password is None else "no private key in PEM of that password"
        raise KeyFileError(f"{path} holds {what}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} holds a key that is not on the curve P-256")
    return SigningKey(key)


def read_public_key(path: Path) -> PublicKey:
    """Returns the public key of a PEM file. Raises KeyFileError."""
    content = _content(path)
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path} holds no public key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError(f"{path} holds a key that is not on the curve P-256")
    return PublicKey(key)


def _content(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in it, which a policy may well spell
        raise KeyFileError(f"{str(path)!r} is no path of a file") from error
    try:
        return content_of(descriptor, _MAX_BYTES)
    except UnusableFileError as error:
        raise KeyFileError(f"{path} {error}") from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
