"""Logs for tests: records, keys that are always the same, and the tree of RFC 6962 as its text defines it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kuntur.transparency.notes.checkpoint import Checkpoint
from kuntur.transparency.notes.keys import KeyKind, SigningKey
from kuntur.transparency.notes.note import Note
from kuntur.transparency.tree.hashing import Hashes, leaf_hashes
from kuntur.transparency.tree.tree import Tree

ORIGIN = "bank.example/journal"
WITNESS = "supervisor.example/witness"


def signing_key(seed: int = 1, kind: KeyKind = KeyKind.LOG, name: str = "") -> SigningKey:
    """Returns a key, the same for each seed."""
    of = ORIGIN if kind is KeyKind.LOG else WITNESS
    return SigningKey(name or of, kind, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def records(count: int) -> list[bytes]:
    """Returns records that differ."""
    return [b"record %d" % number for number in range(count)]


def leaves(count: int) -> Hashes:
    """Returns their leaf hashes."""
    return leaf_hashes(records(count))


def merkle_tree_hash(entries: Sequence[bytes]) -> bytes:
    """Returns MTH(D[n]) as section 2.1 of RFC 6962 writes it."""
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return sha256(b"\x01" + merkle_tree_hash(entries[:k]) + merkle_tree_hash(entries[k:])).digest()


def grown(directory: Path, entries: Sequence[bytes]) -> Tree:
    """Returns a saved tree of some records."""
    tree = Tree(directory)
    tree.append(leaf_hashes(entries))
    tree.save()
    return tree


def signed(tree: Tree, *keys: SigningKey, size: int | None = None, origin: str = ORIGIN) -> Note:
    """Returns the checkpoint of a tree, or of an earlier size of it, signed by keys."""
    size = tree.size if size is None else size
    return Note(Checkpoint(origin, size, tree.root(size)).text).signed(keys or [signing_key()])


def evidence(tree: Tree, index: int, record: bytes, note: Note) -> dict[str, Any]:
    """Returns what the stand-alone verifier reads."""
    return {
        "checkpoint": note.encode().decode(),
        "entries": [
            {
                "record": base64.b64encode(record).decode(),
                "holds": [base64.b64encode(record[1:]).decode()],
                "index": index,
                "path": [base64.b64encode(each).decode() for each in tree.inclusion(index)],
            }
        ],
    }
