"""A proof file: a record is in a log, for whoever has the log's key and nothing else (C2SP tlog-proof)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kuntur.transparency.errors import NoteError, ProofError
from kuntur.transparency.notes.base64 import decode, decode_hash, encode
from kuntur.transparency.notes.checkpoint import SignedCheckpoint, open_checkpoint, parse_number
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.tree.proofs import check_inclusion

_FORM = "c2sp.org/tlog-proof@v1"
MAX_PATH = 63
"""Most hashes in a proof: no tree is higher."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A leaf's place and audit path, and the checkpoint that it leads to, as bytes that are still to verify.

    extra: whatever the application adds; nothing vouches for it.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Returns the file."""
        extra = [] if self.extra is None else [f"extra {encode(self.extra)}"]
        head = [_FORM, *extra, f"index {self.index}", *map(encode, self.path)]
        return "\n".join([*head, "", ""]).encode() + self.checkpoint

    @classmethod
    def parse(cls, content: bytes) -> TlogProof:
        """Reads a file. Raises NoteError for what is none."""
        head, blank, checkpoint = content.partition(b"\n\n")
        try:
            form, *lines = head.decode().split("\n")
        except UnicodeDecodeError as error:
            raise NoteError("the proof is not UTF-8") from error
        if form != _FORM or not blank:
            raise NoteError(f"a proof begins with {_FORM} and ends with a checkpoint")
        extra = decode(lines.pop(0).removeprefix("extra ")) if lines and lines[0][:6] == "extra " else None
        if not lines or not lines[0].startswith("index "):
            raise NoteError("the proof does not say where in the log its entry is")
        index = parse_number(lines.pop(0).removeprefix("index "))
        if len(lines) > MAX_PATH:
            raise NoteError(f"the proof has more than {MAX_PATH} hashes")
        return cls(index, tuple(map(decode_hash, lines)), checkpoint, extra)

    def check(
        self, leaf: bytes, keys: Iterable[VerifierKey], witnesses: Iterable[VerifierKey] = (), needed: int = 0
    ) -> SignedCheckpoint:
        """Returns the checkpoint that vouches for a leaf hash.

        keys: those of the log; witnesses, needed: how many of which witnesses must have cosigned it. Raises
        ProofError and NoteError when the proof does not hold.
        """
        signed = open_checkpoint(self.checkpoint, keys)
        found = signed.witnessed(witnesses)
        if len(found) < needed:
            raise ProofError(f"{len(found)} of the witnesses cosigned the checkpoint, not {needed}")
        check_inclusion(leaf, self.index, signed.checkpoint.size, signed.checkpoint.root, self.path)
        return signed
