"""Ids as keyed hashes: SipHash-2-4 (Aumasson and Bernstein, 2012), many ids in one call.

The engine keeps no id, only these 64-bit hashes. The secret makes them useless to whoever reads the
state without it, and keeps an outsider from making ids that collide. Own code because one compiled
call over a frame's ids costs a tenth of hashlib.blake2b called for each of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kuntur.compiled.inside.words import load_word
from kuntur.compiled.native import native

_CONTENT = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio


@native
def load_rest(data, start, length):
    """Returns up to 7 bytes from data[start] on as the low end of a uint64."""
    if start + 8 <= len(data):
        return load_word(data, start) & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1))
    word = np.uint64(0)
    for byte in range(length):
        word |= np.uint64(data[start + byte]) << np.uint64(8 * byte)
    return word


@native
def _rotate(x, b):
    return (x << np.uint64(b)) | (x >> np.uint64(64 - b))


@native
def _round(v0, v1, v2, v3):
    v0 = v0 + v1
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 = v2 + v3
    v3 = _rotate(v3, 16) ^ v2
    v0 = v0 + v3
    v3 = _rotate(v3, 21) ^ v0
    v2 = v2 + v1
    v1 = _rotate(v1, 17) ^ v2
    v2 = _rotate(v2, 32)
    return v0, v1, v2, v3


@native
def siphash(data, start, length, k0, k1):
    """Returns SipHash-2-4 of data[start : start + length] under the key (k0, k1), all uint64."""
    v0 = k0 ^ np.uint64(0x736F6D6570736575)
    v1 = k1 ^ np.uint64(0x646F72616E646F6D)
    v2 = k0 ^ np.uint64(0x6C7967656E657261)
    v3 = k1 ^ np.uint64(0x7465646279746573)
    at = start
    for _ in range(length >> 3):
        word = load_word(data, at)
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
        at += 8
    word = np.uint64(length & 255) << np.uint64(56) | load_rest(data, at, length & 7)
    v3 ^= word
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0 ^= word
    v2 ^= np.uint64(0xFF)
    for _ in range(4):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@native
def content_hash(data, start, length, k0, k1):
    """Returns a hash of data[start : start + length], int64, never 0: equal for equal bytes.

    It tells whether a transaction that comes again is the same, for those who hold the key's data anyway, so
    it need not withstand anybody: a twelfth of SipHash's time.
    """
    value = k0 ^ np.uint64(length)
    at = start
    for _ in range(length >> 3):
        value = (_rotate(value, 29) ^ load_word(data, at)) * _CONTENT
        at += 8
    value = (_rotate(value, 29) ^ load_rest(data, at, length & 7)) * _CONTENT
    value ^= value >> np.uint64(32)
    value = (value ^ k1) * _CONTENT
    value ^= value >> np.uint64(29)
    return np.int64(value) if value != np.uint64(0) else np.int64(1)


@native
def hash_id(data, start, length, column, scope, k0, k1):
    """Returns the key of one id: 0 for an empty one, never 0 for any other.

    column: its column of KeyColumn, a namespace of its own; scope: uint64, hash of its institution, 0
    for ids that all institutions share; k0, k1: the secret.
    """
    if length == 0:
        return np.uint64(0)
    value = siphash(data, start, length, k0 ^ scope, k1 ^ np.uint64(column + 1))
    return value if value != np.uint64(0) else np.uint64(1)


@native
def hash_ids(data, starts, lengths, scopes, scoped, secret, keys):
    """Hashes ids into `keys`.

    data: uint8 [bytes]; starts, lengths: int64 [n, columns], where each id lies in data; scopes:
    uint64 [n], the hash of the row's institution; scoped: bool [columns], whether ids of the column
    belong to an institution; secret: uint64 [2]; keys: uint64 [n, columns], written. The key of
    an empty id is 0, that of any other never. Each column is a namespace of its own.
    """
    for row in range(starts.shape[0]):
        for column in range(starts.shape[1]):
            scope = scopes[row] if scoped[column] else np.uint64(0)
            keys[row, column] = hash_id(
                data, starts[row, column], lengths[row, column], column, scope, secret[0], secret[1]
            )


# Which columns of KeyColumn are ids within an institution: all institutions share merchants and categories.
SCOPED = np.array([True, True, False, True, False, True])


class Institutions:
    """Hashes of institution ids, remembered: there are few of them."""

    def __init__(self, secret: npt.NDArray[np.uint64], limit: int = 65_536) -> None:
        self._secret = secret
        self._limit = limit
        self._hashes: dict[str, int] = {"": 0}

    def scope(self, institution_id: str) -> int:
        """Returns the scope of an institution's ids, 0 for the empty id."""
        known = self._hashes.get(institution_id)
        if known is not None:
            return known
        data = np.frombuffer(institution_id.encode(), dtype=np.uint8)
        value = int(siphash(data, 0, len(data), self._secret[0], self._secret[1]))
        if len(self._hashes) < self._limit:  # invented institutions must not let it grow for ever
            self._hashes[institution_id] = value
        return value
