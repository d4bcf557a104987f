"""Ed25519 keys as C2SP's signed-note and tlog-cosignature name them, in their text forms.

A verifier key is `NAME+ID+KEY`; a signing key has `PRIVATE+KEY+` in front, as Go's `sumdb/note` writes it.
The signatures themselves are left to `cryptography`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kuntur.transparency.errors import NoteError
from kuntur.transparency.notes.base64 import decode, encode

_PRIVATE = "PRIVATE+KEY+"
_KEY_BYTES = 32
_ID_BYTES = 4
_TIME_BYTES = 8


class KeyKind(IntEnum):
    """What a key signs: the byte that C2SP gives to each kind of signature."""

    LOG = 0x01
    """The text of a note as it is: a log its checkpoints."""
    WITNESS = 0x04
    """A checkpoint and when it was seen: a witness its cosignatures (`cosignature/v1`)."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key, and whose it is."""

    name: str
    kind: KeyKind
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand in front of its signatures."""
        return sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Its text form."""
        return _text(self, self.public)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Reads the text form. Raises NoteError."""
        name, key_id, kind, public = _parts(text, "verifier key")
        key = cls(name, kind, public)
        if key.key_id.hex() != key_id:
            raise NoteError(f"the verifier key {text!r} is damaged: its id is not that of its name and key")
        return key

    def holds(self, text: str, signature: bytes) -> bool:
        """Returns whether a signature, without the id in front of it, is this key's over a note's text."""
        signed = text.encode()
        if self.kind is KeyKind.WITNESS:
            signed = _timed(text, cosigned_at(signature))
            signature = signature[_TIME_BYTES:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """The private half; it shows itself in no message."""

    def __init__(self, name: str, kind: KeyKind, key: Ed25519PrivateKey) -> None:
        """Takes a key. Raises NoteError for a name that no note can hold."""
        check_name(name)
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.verifier = VerifierKey(name, kind, public)
        """The public half."""
        self._key = key

    @classmethod
    def generate(cls, name: str, kind: KeyKind) -> SigningKey:
        """Makes a new one."""
        return cls(name, kind, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Reads the text form. Raises NoteError, which does not tell it."""
        if not text.startswith(_PRIVATE):
            raise NoteError(f"a signing key begins with {_PRIVATE}")
        try:
            name, key_id, kind, seed = _parts(text.removeprefix(_PRIVATE), "signing key")
        except NoteError:
            raise NoteError("what is behind the name of a signing key is not its form") from None
        key = cls(name, kind, Ed25519PrivateKey.from_private_bytes(seed))
        if key.verifier.key_id.hex() != key_id:
            raise NoteError("a signing key is damaged: its id is not that of its name and key")
        return key

    def private_text(self) -> str:
        """Returns the text form, which is a secret."""
        seed = self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return _PRIVATE + _text(self.verifier, seed)

    def sign(self, text: str, time: int = 0) -> bytes:
        """Returns its signature over a note's text, without the id in front.

        time: of a witness, when it signs, in seconds since the epoch.
        """
        if self.verifier.kind is KeyKind.LOG:
            return self._key.sign(text.encode())
        return time.to_bytes(_TIME_BYTES, "big") + self._key.sign(_timed(text, time))


def cosigned_at(signature: bytes) -> int:
    """Returns when a witness gave its signature, in seconds since the epoch."""
    return int.from_bytes(signature[:_TIME_BYTES], "big")


def check_name(name: str) -> None:
    """Raises NoteError for a name of a key that a note cannot hold."""
    if not name or "+" in name or any(letter.isspace() or ord(letter) < 0x20 for letter in name):
        raise NoteError(f"{name!r} is no name of a key: no blanks, no + and at least one letter")


def _timed(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _text(key: VerifierKey, content: bytes) -> str:
    return f"{key.name}+{key.key_id.hex()}+{encode(bytes([key.kind]) + content)}"


def _parts(text: str, what: str) -> tuple[str, str, KeyKind, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteError(f"{text[:200]!r} is no {what}: that is NAME+ID+KEY")
    name, key_id, content = parts[0], parts[1], decode(parts[2])
    check_name(name)
    if content[:1] not in {bytes([kind]) for kind in KeyKind} or len(content) != 1 + _KEY_BYTES:
        raise NoteError(f"the {what} of {name} is of a kind that is not known here")
    return name, key_id, KeyKind(content[0]), content[1:]
