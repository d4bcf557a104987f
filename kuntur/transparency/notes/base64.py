"""Base64 of which each text stands for one run of bytes and each run has one text."""

from __future__ import annotations

import base64
import binascii

from kuntur.transparency.errors import NoteError
from kuntur.transparency.tree.hashing import HASH_BYTES


def encode(content: bytes) -> str:
    """Returns bytes in the standard Base64 of RFC 4648, with padding."""
    return base64.b64encode(content).decode()


def decode(text: str) -> bytes:
    """Returns the bytes of a text. Raises NoteError for a text that `encode` would not have written."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"{text[:80]!r} is not Base64") from error
    if encode(content) != text:  # else a flipped bit in the last character could go unseen
        raise NoteError(f"{text[:80]!r} is not Base64 as it is written")
    return content


def decode_hash(text: str) -> bytes:
    """Returns a hash. Raises NoteError for anything else."""
    content = decode(text)
    if len(content) != HASH_BYTES:
        raise NoteError(f"{text[:80]!r} is not a hash: that has {HASH_BYTES} bytes")
    return content
