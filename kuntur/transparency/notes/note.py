"""Signed notes: a text and the signatures below it, as C2SP's signed-note writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kuntur.transparency.errors import NoteError
from kuntur.transparency.notes.base64 import decode, encode
from kuntur.transparency.notes.keys import SigningKey, VerifierKey, check_name

MAX_NOTE_BYTES = 1 << 20
MAX_SIGNATURES = 100
_SIGNED = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: whose it says it is, and the signature."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        """The line, with its end."""
        return f"{_SIGNED}{self.name} {encode(self.key_id + self.value)}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Reads a line without its end. Raises NoteError."""
        name, blank, content = line.removeprefix(_SIGNED).partition(" ")
        if not line.startswith(_SIGNED) or not blank:
            raise NoteError(f"{line[:200]!r} is no line of a signature")
        check_name(name)
        signed = decode(content)
        if len(signed) <= _ID_BYTES:
            raise NoteError(f"the signature of {name} is empty")
        return cls(name, signed[:_ID_BYTES], signed[_ID_BYTES:])

    def is_of(self, key: VerifierKey) -> bool:
        """Returns whether it names this key."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends its last line, and signatures, which may be anybody's until they are verified."""

    text: str
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def parse(cls, content: bytes) -> Note:
        """Reads a note. Raises NoteError for what is none."""
        if len(content) > MAX_NOTE_BYTES:
            raise NoteError(f"a note has at most {MAX_NOTE_BYTES:,} bytes")
        try:
            whole = content.decode()
        except UnicodeDecodeError as error:
            raise NoteError(f"the note is not UTF-8 (byte {error.start + 1:,})") from error
        if _CONTROL.search(whole):
            raise NoteError("the note has a control character in it")
        text, blank, below = whole.rpartition("\n\n")
        if not blank or not below.endswith("\n"):
            raise NoteError("a note is a text, an empty line, and lines of signatures")
        lines = below[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
        return cls(f"{text}\n", tuple(map(Signature.parse, lines)))

    def encode(self) -> bytes:
        """Returns it as it is written."""
        return f"{self.text}\n{''.join(map(str, self.signatures))}".encode()

    def signed(self, keys: Iterable[SigningKey], time: int = 0) -> Note:
        """Returns the note with a signature of each key behind those that it has."""
        return self.with_signatures(
            Signature(key.verifier.name, key.verifier.key_id, key.sign(self.text, time)) for key in keys
        )

    def with_signatures(self, more: Iterable[Signature]) -> Note:
        """Returns the note with further signatures; one that it has already stands there once."""
        return replace(self, signatures=tuple(dict.fromkeys([*self.signatures, *more])))

    def verified(self, keys: Iterable[VerifierKey]) -> dict[VerifierKey, Signature]:
        """Returns which of the keys signed it, each with its last signature.

        Signatures of other keys are passed over. Raises NoteError when none of these signed it, and for a
        signature that names one of them and is not its.
        """
        known = list(keys)
        found: dict[VerifierKey, Signature] = {}
        for signature in self.signatures:
            for key in filter(signature.is_of, known):
                if not key.holds(self.text, signature.value):
                    raise NoteError(f"the signature of {key.name} ({key.key_id.hex()}) does not hold")
                found[key] = signature
        if not found:
            names = ", ".join(f"{key.name} ({key.key_id.hex()})" for key in known)
            raise NoteError(f"none of the known keys signed the note: {names or 'there are none'}")
        return found
