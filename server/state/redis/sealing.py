"""What Redis keeps of answers, sealed: nobody reads it there, and what was changed there is found.

AES-256-GCM with keys that come by HKDF (RFC 5869, SHA-256) from `history.hash_key`, which all servers of a
history have. Each process has a key of its own, by eight random bytes that stand in front of what it sealed,
and counts its nonces. The name under which something stands is authenticated with it.
"""

from __future__ import annotations

import itertools
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

OVERHEAD_BYTES = 32
"""What sealing adds: salt, number and tag."""
_SALT_BYTES, _NUMBER_BYTES, _NONCE_BYTES = 8, 8, 12
_HEAD_BYTES = _SALT_BYTES + _NUMBER_BYTES
_PROCESSES = 256  # whose keys are kept at hand
_INFO = b"kuntur history: answers in a shared store"


class Sealer:
    """Seals values for names, and opens those of all processes with the secret. Safe for threads."""

    def __init__(self, secret: bytes) -> None:
        """Takes the secret that the servers share."""
        self._secret = secret
        self._salt = os.urandom(_SALT_BYTES)
        self._own = self._aead(self._salt)
        self._numbers = itertools.count()
        self._others = lru_cache(_PROCESSES)(self._aead)

    def seal(self, name: bytes, value: bytes) -> bytes:
        """Returns a value as it may stand under a name."""
        number = next(self._numbers).to_bytes(_NUMBER_BYTES, "little")
        return self._salt + number + self._own.encrypt(_nonce(number), value, name)

    def open(self, name: bytes, sealed: bytes) -> bytes | None:
        """Returns the value that was sealed for a name; None where it is not as it was sealed."""
        if len(sealed) < OVERHEAD_BYTES:
            return None
        aead = self._others(sealed[:_SALT_BYTES])
        try:
            return aead.decrypt(_nonce(sealed[_SALT_BYTES:_HEAD_BYTES]), sealed[_HEAD_BYTES:], name)
        except InvalidTag:
            return None

    def _aead(self, salt: bytes) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, salt=salt, info=_INFO).derive(self._secret))


def _nonce(number: bytes) -> bytes:
    return number.ljust(_NONCE_BYTES, b"\0")
