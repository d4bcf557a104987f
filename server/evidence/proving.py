"""The entries of evidence as they stand in the journal, and their proofs from the folder of its log."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kuntur.journal.reading import find_raw
from kuntur.journal.records import Record
from kuntur.journal.sealing import KeyRing
from kuntur.transparency.errors import NoteError, ProofError, TransparencyError
from kuntur.transparency.notes.checkpoint import Checkpoint, open_checkpoint
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.notes.note import MAX_NOTE_BYTES, Note
from kuntur.transparency.notes.proof import TlogProof
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED
from kuntur.transparency.tree.hashing import leaf_hash
from kuntur.transparency.tree.proofs import check_inclusion
from kuntur.transparency.tree.stored import StoredTree
from server.evidence.document import Entry
from server.evidence.errors import EvidenceError
from server.evidence.messages import time_of


@dataclass(frozen=True, slots=True)
class Proved:
    """Entries with their proofs; checkpoint: None where there is none, and `told` says why."""

    entries: tuple[Entry, ...]
    checkpoint: str | None
    told: str


@dataclass(frozen=True, slots=True)
class _Log:
    checkpoint: Checkpoint
    note: bytes
    tree: StoredTree
    told: str


class _NotSignedError(Exception):
    """There is no proof, which is no fault: why."""


def prove_entries(
    directory: Path,
    roles: Mapping[int, str],
    holds: Mapping[int, Sequence[bytes]],
    tree: Path | None,
    verifiers: Sequence[VerifierKey],
    keys: KeyRing | None,
) -> Proved:
    """Returns entries by their sequences, with proofs by the newest checkpoint that witnesses cosigned.

    Where none of those reaches to all of them, by the newest of all. roles: what each entry is; holds:
    messages that stand in it; tree: folder of the log, None where the journal is not signed; verifiers: keys
    to check the checkpoint with, none where that is left to others. Raises EvidenceError where the log
    contradicts the journal, JournalError, OSError.
    """
    records = {sequence: _record(directory, sequence, keys) for sequence in roles}
    log: _Log | None = None
    try:
        log = _open_log(tree, max(roles), verifiers)
        told = log.told
    except _NotSignedError as error:
        told = str(error)
    entries = tuple(
        _entry(record, roles[sequence], holds.get(sequence, ()), log)
        for sequence, record in sorted(records.items())
    )
    return Proved(entries, None if log is None else log.note.decode(), told)


def _record(directory: Path, sequence: int, keys: KeyRing | None) -> Record:
    record = find_raw(directory, sequence, keys)
    if record is None:
        raise EvidenceError(f"entry {sequence:,} was removed while the journal was read: begin again")
    return record


def _open_log(folder: Path | None, last: int, verifiers: Sequence[VerifierKey]) -> _Log:
    """Opens the log at a checkpoint that reaches to an entry. Raises _NotSignedError, EvidenceError."""
    if folder is None:
        raise _NotSignedError(
            "The journal is not signed, so nothing vouches for these entries but whoever keeps it. With "
            "journal.signing.keys set, the server proves what it writes from then on."
        )
    size = 0
    for name in (WITNESSED, CHECKPOINT):
        try:
            with (folder / name).open("rb") as file:
                content = file.read(MAX_NOTE_BYTES + 1)
        except FileNotFoundError:
            continue
        try:
            note = Note.parse(content)
            checkpoint = Checkpoint.parse(note.text)
            if verifiers:
                open_checkpoint(content, verifiers)
            if checkpoint.size < last:
                size = max(size, checkpoint.size)
                continue
            tree = StoredTree(folder, checkpoint.size, checkpoint.root)
        except TransparencyError as error:
            raise _contradicted(folder, error) from error
        return _Log(checkpoint, content, tree, _told(checkpoint, note, verifiers))
    if not size:
        raise _NotSignedError(f"The journal is not signed yet: there is no checkpoint in {folder}.")
    raise _NotSignedError(
        f"Entry {last:,} is not signed yet: the newest checkpoint reaches to entry {size:,}. One is signed "
        "each second while the server runs; make the evidence again then."
    )


def _told(checkpoint: Checkpoint, note: Note, verifiers: Sequence[VerifierKey]) -> str:
    names = ", ".join(f"{each.name} ({each.key_id.hex()})" for each in note.signatures)
    vouched = (
        "Its signature was checked with the key that was given."
        if verifiers
        else "Its signatures are for the reader to check, with a key got on a way that they trust."
    )
    return (
        f"The entries are in the log {checkpoint.origin}, by a checkpoint over {checkpoint.size:,} entries "
        f"that is signed by {names}. {vouched}"
    )


def _entry(record: Record, role: str, holds: Sequence[bytes], log: _Log | None) -> Entry:
    leaf, index = leaf_hash(record.payload), record.sequence - 1
    path = proof = None
    if log is not None:
        size, root = log.checkpoint.size, log.checkpoint.root
        try:
            hashes = log.tree.inclusion(index)
            check_inclusion(leaf, index, size, root, hashes)
        except (ProofError, NoteError) as error:
            raise EvidenceError(
                f"entry {record.sequence:,} of the journal is not the one that was signed: leave journal and "
                "log as they are, and look with `kuntur-server journal verify`"
            ) from error
        except TransparencyError as error:
            raise _contradicted(log.tree.directory, error) from error
        path = tuple(map(_base64, hashes))
        proof = TlogProof(index, tuple(hashes), log.note).encode().decode()
    return Entry(
        role=role,
        sequence=record.sequence,
        time=time_of(record.entry.written_time),
        record=_base64(record.payload),
        holds=tuple(_base64(piece) for piece in holds),
        leaf_hash=leaf.hex(),
        index=index,
        path=path,
        tlog_proof=proof,
    )


def _contradicted(folder: Path, error: Exception) -> EvidenceError:
    return EvidenceError(
        f"{error}: nothing is proved by {folder} as it is; look with `kuntur-server journal verify`, or name "
        "another folder with --tree"
    )


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
