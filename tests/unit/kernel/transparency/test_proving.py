"""A proof taken from the folder of a log, beside whatever signs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kuntur.transparency.errors import DamagedTreeError, NoteError, ProofError
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED
from kuntur.transparency.signing.proving import prove
from kuntur.transparency.tree.hashing import leaf_hash
from tests.support.transparency import grown, leaves, records, signed, signing_key

KEY = signing_key().verifier
WITNESS = signing_key(9, KeyKind.WITNESS)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of 1,000 entries, of which 700 are cosigned."""
    tree = grown(tmp_path, records(700))
    (tmp_path / WITNESSED).write_bytes(signed(tree).signed([WITNESS], 1_700_000_000).encode())
    tree.append(leaves(1000)[700:])
    tree.save()
    tree.tidy()
    (tmp_path / CHECKPOINT).write_bytes(signed(tree).encode())
    return tmp_path


@pytest.mark.parametrize(
    ("index", "witnesses", "size"), [(0, 1, 700), (699, 1, 700), (700, 0, 1000), (999, 0, 1000)]
)
def test_an_entry_is_proved_by_a_cosigned_checkpoint_where_there_is_one(
    log: Path, index: int, witnesses: int, size: int
) -> None:
    proof = prove(log, [KEY], index, b"of the application")
    leaf = leaf_hash(records(1000)[index])
    found = proof.check(leaf, [KEY], [WITNESS.verifier], witnesses)
    assert (found.checkpoint.size, proof.extra) == (size, b"of the application")


@pytest.mark.parametrize("index", [-1, 1000])
def test_an_entry_that_no_checkpoint_reaches_to_is_not_proved(log: Path, index: int) -> None:
    with pytest.raises(ProofError, match="reach to 1,000 entries"):
        prove(log, [KEY], index)


def test_a_log_without_a_checkpoint_proves_nothing(log: Path) -> None:
    (log / WITNESSED).unlink()
    (log / CHECKPOINT).unlink()
    with pytest.raises(ProofError, match="reach to 0 entries"):
        prove(log, [KEY], 5)


def test_a_checkpoint_of_somebody_else_is_named(log: Path) -> None:
    with pytest.raises(NoteError, match=str(log / WITNESSED)):
        prove(log, [signing_key(2).verifier], 5)


def test_a_lost_tile_is_named(log: Path) -> None:
    (log / "tile/0/001").unlink()
    with pytest.raises(DamagedTreeError, match="tile/0/001"):
        prove(log, [KEY], 300)
    assert prove(log, [KEY], 5)
