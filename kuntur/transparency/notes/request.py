"""What a log sends a witness, by C2SP's tlog-witness: a checkpoint, and the proof from the one before."""

from __future__ import annotations

from dataclasses import dataclass

from kuntur.transparency.errors import NoteError
from kuntur.transparency.notes.base64 import decode_hash, encode
from kuntur.transparency.notes.checkpoint import parse_number
from kuntur.transparency.notes.note import MAX_NOTE_BYTES
from kuntur.transparency.notes.proof import MAX_PATH

MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 4096
"""Room for a note, and 63 hashes of 45 bytes in front of it."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The body of add-checkpoint.

    old: size of the log as the witness knows it; path: the consistency proof from there; checkpoint: a note
    that is still to verify.
    """

    old: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """Returns the body."""
        return "\n".join([f"old {self.old}", *map(encode, self.path), "", ""]).encode() + self.checkpoint

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """Reads a body. Raises NoteError for what is none."""
        head, blank, checkpoint = body.partition(b"\n\n")
        first, *lines = head.decode("utf-8", errors="replace").split("\n")
        if not blank or not first.startswith("old "):
            raise NoteError("the request is not an old size, a proof, an empty line and a checkpoint")
        if len(lines) > MAX_PATH:
            raise NoteError(f"the request has more than {MAX_PATH} hashes")
        return cls(parse_number(first.removeprefix("old ")), tuple(map(decode_hash, lines)), checkpoint)
