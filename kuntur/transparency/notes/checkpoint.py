"""Checkpoints: size and root of a log as a note that the log signs, by C2SP's tlog-checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kuntur.transparency.errors import NoteError
from kuntur.transparency.notes.base64 import decode_hash, encode
from kuntur.transparency.notes.keys import KeyKind, VerifierKey, cosigned_at
from kuntur.transparency.notes.note import Note
from kuntur.transparency.tree.proofs import MAX_SIZE

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How large a log was and what was in it: `root` is that of its tree of `size` leaves."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        return "\n".join([self.origin, str(self.size), encode(self.root), *self.extensions, ""])

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Reads the text of a note. Raises NoteError for what is no checkpoint."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise NoteError("a checkpoint has three lines or more, none of them empty")
        origin, size, root, *extensions = lines
        return cls(origin, parse_number(size), decode_hash(root), tuple(extensions))


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose log's signature was verified, and the note that it came in."""

    checkpoint: Checkpoint
    note: Note

    def witnessed(self, witnesses: Iterable[VerifierKey]) -> dict[VerifierKey, int]:
        """Returns which of these witnesses cosigned it, and when, in seconds since the epoch.

        Raises NoteError for a cosignature that names one of them and is not its.
        """
        keys = [key for key in witnesses if key.kind is KeyKind.WITNESS]
        if not any(signature.is_of(key) for signature in self.note.signatures for key in keys):
            return {}
        return {key: cosigned_at(signature.value) for key, signature in self.note.verified(keys).items()}


def open_checkpoint(content: bytes, keys: Iterable[VerifierKey]) -> SignedCheckpoint:
    """Reads a checkpoint that a log signed; the names of the keys are the origins that they stand for.

    Raises NoteError for anything but a checkpoint with a valid signature of a key of its origin.
    """
    note = Note.parse(content)
    checkpoint = Checkpoint.parse(note.text)
    of_origin = [key for key in keys if key.kind is KeyKind.LOG and key.name == checkpoint.origin]
    if not of_origin:
        raise NoteError(f"no key is known of the log {checkpoint.origin!r}")
    note.verified(of_origin)
    return SignedCheckpoint(checkpoint, note)


def parse_number(text: str) -> int:
    """Returns a size or index. Raises NoteError for anything but its one decimal form."""
    if not _NUMBER.fullmatch(text) or int(text) >= MAX_SIZE:
        raise NoteError(f"{text[:80]!r} is no number of entries")
    return int(text)
