"""Whatever becomes of a log, a proof or a tile: nothing is proved that was not so, and what was so is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.transparency.errors import DamagedTreeError, ProofError, TransparencyError
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.notes.proof import TlogProof
from kuntur.transparency.tree.hashing import leaf_hash, leaf_hashes
from kuntur.transparency.tree.proofs import check_consistency, check_inclusion
from kuntur.transparency.tree.stored import StoredTree
from kuntur.transparency.tree.tree import Tree
from tests.support.examples import examples
from tests.support.transparency import grown, leaves, merkle_tree_hash, records, signed, signing_key

ENTRIES = records(1500)
LEAVES = leaves(1500)
KEY, WITNESS = signing_key().verifier, signing_key(9, KeyKind.WITNESS)
sizes = st.integers(0, 600) | st.sampled_from([255, 256, 257, 511, 512, 513])


@given(st.lists(st.integers(0, 400), max_size=6), st.randoms(use_true_random=False))
@examples(100)
def test_a_tree_is_that_of_the_rfc_however_it_grew(steps: list[int], random) -> None:
    with tempfile.TemporaryDirectory() as directory:
        tree = Tree(Path(directory))
        for step in steps:
            tree.append(LEAVES[tree.size : tree.size + step])
            if random.random() < 0.5:
                tree.save()
                tree.tidy()
            if random.random() < 0.3:
                tree.save()
                tree = Tree(Path(directory), tree.size, tree.root())
        size = tree.size
        assert tree.root() == merkle_tree_hash(ENTRIES[:size])
        earlier = random.randint(0, size)
        assert tree.root(earlier) == merkle_tree_hash(ENTRIES[:earlier])
        check_consistency(earlier, tree.root(earlier), size, tree.root(), tree.consistency(earlier))
        if earlier:
            index = random.randrange(earlier)
            path = tree.inclusion(index, earlier)
            check_inclusion(leaf_hash(ENTRIES[index]), index, earlier, tree.root(earlier), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("log")
    grown(directory, ENTRIES)
    return directory


ROOT = merkle_tree_hash(ENTRIES)


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8 % len(content)] ^= 1 << bit % 8
    return bytes(changed)


@given(st.integers(0, 1499), st.integers(0), st.integers(0))
@examples(400)
def test_a_flipped_bit_of_leaf_path_or_root_is_found(folder: Path, index: int, which: int, bit: int) -> None:
    parts = [leaf_hash(ENTRIES[index]), ROOT, *StoredTree(folder, 1500, ROOT).inclusion(index)]
    parts[which % len(parts)] = flipped(parts[which % len(parts)], bit)
    with pytest.raises(ProofError):
        check_inclusion(parts[0], index, 1500, parts[1], parts[2:])


@given(st.integers(1, 1499), st.integers(0), st.integers(0))
@examples(400)
def test_a_flipped_bit_of_a_consistency_proof_is_found(folder: Path, old: int, which: int, bit: int) -> None:
    tree = StoredTree(folder, 1500, ROOT)
    parts = [tree.root(old), ROOT, *tree.consistency(old)]
    parts[which % len(parts)] = flipped(parts[which % len(parts)], bit)
    with pytest.raises(ProofError):
        check_consistency(old, parts[0], 1500, parts[1], parts[2:])


@given(st.integers(0, 1499), st.integers(0, 1499), st.integers(1, 1500))
@examples(400)
def test_a_path_proves_no_other_place_and_no_other_size(
    folder: Path, index: int, other: int, size: int
) -> None:
    tree = StoredTree(folder, 1500, ROOT)
    path = tree.inclusion(index)
    if other != index:
        with pytest.raises(ProofError):
            check_inclusion(leaf_hash(ENTRIES[index]), other, 1500, ROOT, path)
        with pytest.raises(ProofError):
            check_inclusion(leaf_hash(ENTRIES[other]), index, 1500, ROOT, path)
    if index < size < 1500:
        with pytest.raises(ProofError):
            check_inclusion(leaf_hash(ENTRIES[index]), index, size, tree.root(size), path)


def test_every_flipped_bit_of_a_proof_file_is_found(folder: Path) -> None:
    tree = Tree(folder, 1500, ROOT)
    note = signed(tree).signed([WITNESS], 1_700_000_000)
    content = TlogProof(700, tuple(tree.inclusion(700)), note.encode()).encode()
    leaf = leaf_hash(ENTRIES[700])
    TlogProof.parse(content).check(leaf, [KEY], [WITNESS.verifier], 1)
    for bit in range(8 * len(content)):
        with pytest.raises(TransparencyError):
            TlogProof.parse(flipped(content, bit)).check(leaf, [KEY], [WITNESS.verifier], 1)


@given(st.data())
@examples(200)
def test_a_history_that_was_changed_does_not_go_on_from_what_was_signed(data: st.DataObject) -> None:
    """Cut, swapped, an entry removed, put in or changed: then grown again, with the best proof it has."""
    old = data.draw(st.integers(2, 600))
    entries = ENTRIES[:old]
    at = data.draw(st.integers(0, old - 1))
    match data.draw(st.sampled_from(["cut", "swap", "remove", "insert", "change"])):
        case "cut":
            entries = [*ENTRIES[:at], b"another"]
        case "swap":
            to = data.draw(st.integers(0, old - 1).filter(lambda to: to != at))
            entries[at], entries[to] = entries[to], entries[at]
        case "remove":
            del entries[at]
        case "insert":
            entries.insert(at, b"another")
        case _:
            entries[at] = b"another"
    entries += [b"later %d" % number for number in range(data.draw(st.integers(0, 300)))]
    with tempfile.TemporaryDirectory() as directory:
        tree = Tree(Path(directory))
        tree.append(leaf_hashes(entries))
        path = tree.consistency(old) if tree.size >= old else []
        with pytest.raises(ProofError):
            check_consistency(old, merkle_tree_hash(ENTRIES[:old]), tree.size, tree.root(), path)


@given(st.integers(0), st.integers(0), st.integers(0, 2**32))
@examples(200)
def test_a_tile_with_a_flipped_bit_is_named_or_gets_into_nothing(
    folder: Path, which: int, bit: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(shutil.copytree(folder, Path(directory) / "log"))
        tiles = sorted(path for path in copy.rglob("tile/**/*") if path.is_file())
        tile = tiles[which % len(tiles)]
        tile.write_bytes(flipped(tile.read_bytes(), bit))
        named: list[str] = []
        try:
            tree = StoredTree(copy, 1500, ROOT)
        except DamagedTreeError:
            return
        for index in np.random.default_rng(seed).integers(0, 1500, 5):
            try:
                path = tree.inclusion(int(index))
            except DamagedTreeError as error:
                named.append(str(error))
                continue
            check_inclusion(leaf_hash(ENTRIES[int(index)]), int(index), 1500, ROOT, path)
        assert all(str(tile) in each for each in named)


@given(st.binary(max_size=400))
@examples(300)
def test_no_bytes_are_read_as_something_else_than_what_is_wrong(content: bytes) -> None:
    for parse in (TlogProof.parse, lambda raw: TlogProof.parse(b"c2sp.org/tlog-proof@v1\nindex 1\n\n" + raw)):
        with pytest.raises(TransparencyError):
            parse(content).check(bytes(32), [KEY])
