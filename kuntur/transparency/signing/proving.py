"""The proof of one entry, from the folder of a log and with nothing but its verifier keys."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kuntur.transparency.errors import ProofError
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.notes.proof import TlogProof
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED, read_checkpoint
from kuntur.transparency.tree.stored import StoredTree


def prove(folder: Path, keys: Iterable[VerifierKey], index: int, extra: bytes | None = None) -> TlogProof:
    """Returns the proof that an entry is in a log, by the newest checkpoint that witnesses cosigned.

    Where none of those reaches to the entry, by the newest of all. folder: that of the tiles; index: of the
    entry, from 0; extra: as in `TlogProof`. Also beside the process that signs. Raises ProofError for an
    entry that no checkpoint reaches to, NoteError for a checkpoint that none of the keys signed,
    DamagedTreeError, OSError.
    """
    known = list(keys)
    size = 0
    for name in (WITNESSED, CHECKPOINT):
        signed = read_checkpoint(folder / name, known)
        if signed is not None and 0 <= index < signed.checkpoint.size:
            tree = StoredTree(folder, signed.checkpoint.size, signed.checkpoint.root)
            return TlogProof(index, tuple(tree.inclusion(index)), signed.note.encode(), extra)
        size = size if signed is None else max(size, signed.checkpoint.size)
    raise ProofError(f"entry {index:,} is not signed yet: the checkpoints reach to {size:,} entries")
