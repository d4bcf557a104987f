"""AES-256-GCM over the records of one file.

The key of a file comes from the key of the journal and the file's marker by HKDF (RFC 5869, SHA-256). A nonce
is four random bytes of the file's own and a number that only ever grows, also for a record that is written
again after a failure: none is used twice with a key, short of two files with the same twelve random bytes.
Marker, length and nonce are authenticated with the entry.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kuntur.journal.errors import JournalKeyError
from kuntur.journal.layout import NONCE_BYTES, SEALED_START_BYTES, TAG_BYTES, Header
from kuntur.journal.sealing.keys import JournalKey, KeyRing

Pack = Callable[[bytes], tuple[bytes, bytes]]
"""Returns the head of the next record of a file and its payload as it stands there, of a serialised entry."""
_INFO = b"kuntur journal: records of a file"
_NUMBER_BYTES = 8


class RecordCipher:
    """Seals and opens the records of one file."""

    def __init__(self, key: JournalKey, header: Header) -> None:
        """Takes the key that the header names."""
        self._header = header
        self._aead = AESGCM(HKDF(SHA256(), 32, salt=header.marker, info=_INFO).derive(key.secret))
        self._prefix = os.urandom(NONCE_BYTES - _NUMBER_BYTES)
        self._sealed = 0

    def seal(self, payload: bytes) -> tuple[bytes, bytes]:
        """Returns head and encrypted payload of the record with this entry."""
        nonce = self._prefix + self._sealed.to_bytes(_NUMBER_BYTES, "little")
        self._sealed += 1
        start = self._header.pack_sealed_start(len(payload) + TAG_BYTES, nonce)
        sealed = self._aead.encrypt(nonce, payload, start)
        return self._header.pack_sealed_head(start, sealed), sealed

    def open(self, head: bytes, nonce: bytes, payload: bytes) -> bytes | None:
        """Returns the entry of a record, None where it is not the one that was sealed."""
        try:
            return self._aead.decrypt(nonce, payload, head[:SEALED_START_BYTES])
        except InvalidTag:
            return None


def new_header(keys: KeyRing | None, lost: int = 0) -> Header:
    """Returns the header of a file that is about to be written, encrypted where there are keys."""
    return Header.new(lost, b"" if keys is None else keys.newest.identity)


def packing(header: Header, keys: KeyRing | None) -> Pack:
    """Returns what packs the records of a file that is written with `new_header`'s header."""
    if not header.sealed:
        return lambda payload: (header.pack_head(payload), payload)
    assert keys is not None  # noqa: S101  # it gave the header
    return RecordCipher(keys.newest, header).seal


def cipher_of(path: Path, header: Header, keys: KeyRing | None) -> RecordCipher | None:
    """Returns what opens the records of a file, None where they are not encrypted.

    Raises JournalKeyError where its key is not there.
    """
    if not header.sealed:
        return None
    name = header.key_id.hex()
    if keys is None:
        hint = (
            "name the folder of the journal's keys: journal.encryption.keys of the server, "
            "data.journal_keys of the trainer, --keys of a command"
        )
        raise JournalKeyError(path, f"the file is encrypted with key {name}: {hint}")
    key = keys.find(header.key_id)
    if key is None:
        message = f"the file is encrypted with key {name}, and that is not in {keys.folder}"
        raise JournalKeyError(path, f"{message}: bring the key's file back there")
    return RecordCipher(key, header)
