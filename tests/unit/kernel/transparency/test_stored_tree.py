"""The tree in its folder: what is written, what a crash leaves, and what damage comes to."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kuntur.transparency.errors import DamagedTreeError
from kuntur.transparency.tree.comparing import first_difference
from kuntur.transparency.tree.hashing import HASH_BYTES, Hashes, leaf_hash
from kuntur.transparency.tree.proofs import check_consistency, check_inclusion
from kuntur.transparency.tree.restoring import restore
from kuntur.transparency.tree.stored import StoredTree
from kuntur.transparency.tree.tree import Tree
from tests.support.transparency import grown, leaves, merkle_tree_hash, records

SIZE = 66_000  # three levels of tiles
ENTRIES = records(SIZE)
LEAVES = leaves(SIZE)


def nothing(_index: int) -> Hashes:
    return LEAVES[:0]


def journal(index: int) -> Hashes:
    return LEAVES[index : index + 1000]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tree")
    grown(directory, ENTRIES)
    return directory


@pytest.fixture(scope="module")
def root() -> bytes:
    return merkle_tree_hash(ENTRIES)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "tree"))


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def change(path: Path, at: int = 100) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_the_tiles_are_those_of_the_specification(folder: Path, root: bytes) -> None:
    found = files(folder)
    assert [each for each in found if not each.startswith("tile/0/")] == [
        "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1",
    ]  # fmt: skip
    assert len(found) == 3 + SIZE // 256 + 1
    assert (folder / "tile/0/257.p/208").read_bytes() == LEAVES[257 * 256 :].tobytes()
    assert StoredTree(folder, SIZE, root).root() == root


def test_a_record_is_proved_from_few_tiles(folder: Path, root: bytes) -> None:
    tree = StoredTree(folder, SIZE, root)
    for index in (0, 255, 256, 65_535, 65_536, SIZE - 1):
        path = tree.inclusion(index)
        check_inclusion(leaf_hash(ENTRIES[index]), index, SIZE, root, path)
        assert len(path) <= 17


def test_an_earlier_size_is_proved_from_the_same_tiles(folder: Path, root: bytes) -> None:
    tree = StoredTree(folder, SIZE, root)
    for size in (1, 255, 256, 257, 65_536, 65_537):
        earlier = tree.root(size)
        assert earlier == merkle_tree_hash(ENTRIES[:size])
        check_consistency(size, earlier, SIZE, root, tree.consistency(size))
        check_inclusion(leaf_hash(ENTRIES[0]), 0, size, earlier, tree.inclusion(0, size))


def test_what_is_not_in_the_tree_is_no_proof(folder: Path, root: bytes) -> None:
    tree = StoredTree(folder, SIZE, root)
    with pytest.raises(ValueError, match="66,000"):
        tree.inclusion(SIZE)
    with pytest.raises(ValueError, match="66,001"):
        tree.root(SIZE + 1)
    with pytest.raises(ValueError, match="does not follow"):
        tree.consistency(300, 200)


def test_a_tree_goes_on_from_its_checkpoint(copy: Path, root: bytes) -> None:
    tree = Tree(copy, SIZE, root)
    tree.append(LEAVES[:300])
    assert tree.size == SIZE + 300
    assert tree.root() == merkle_tree_hash(ENTRIES + ENTRIES[:300])
    check_consistency(SIZE, root, tree.size, tree.root(), tree.consistency(SIZE))
    tree.save()
    assert Tree(copy, tree.size, tree.root()).root() == tree.root()


def test_what_was_appended_is_proved_before_it_is_saved(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.append(LEAVES[:700])
    check_inclusion(leaf_hash(ENTRIES[300]), 300, 700, tree.root(), tree.inclusion(300))
    assert files(tmp_path) == []


def test_a_long_append_is_the_same_as_many_short_ones(tmp_path: Path, root: bytes) -> None:
    tree = Tree(tmp_path)
    for start in range(0, SIZE, 999):
        tree.append(LEAVES[start : start + 999])
    assert (tree.size, tree.root()) == (SIZE, root)


def test_partial_tiles_go_when_the_full_one_is_signed(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for size, kept in ((100, ["100"]), (200, ["100", "200"]), (300, ["100", "200"])):
        tree.append(LEAVES[tree.size : size])
        tree.save()
        assert sorted(path.name for path in (tmp_path / "tile/0/000.p").iterdir()) == kept
    tree.tidy()
    assert files(tmp_path) == ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"]


def test_a_reader_of_a_checkpoint_goes_on_when_its_partial_tiles_are_gone(tmp_path: Path) -> None:
    tree = grown(tmp_path, ENTRIES[:100])
    earlier = tree.root()
    tree.append(LEAVES[100:600])
    tree.save()
    tree.tidy()
    reader = StoredTree(tmp_path, 100, earlier)
    check_inclusion(leaf_hash(ENTRIES[99]), 99, 100, earlier, reader.inclusion(99))


def test_tiles_behind_the_checkpoint_count_for_nothing_and_are_written_over(tmp_path: Path) -> None:
    tree = grown(tmp_path, ENTRIES[:500])
    signed = tree.root()
    tree.append(LEAVES[1000:1600])  # of entries that a loss of power took from the journal
    tree.save()
    again = Tree(tmp_path, 500, signed)
    again.append(LEAVES[500:1100])
    again.save()
    assert StoredTree(tmp_path, 1100, merkle_tree_hash(ENTRIES[:1100])).size == 1100


@pytest.mark.parametrize("name", ["tile/0/257.p/208", "tile/1/001.p/1", "tile/2/000.p/1"])
@pytest.mark.parametrize("how", [Path.unlink, change, lambda path: path.write_bytes(b"")])
def test_a_tile_of_the_edge_that_is_not_as_signed_is_found_at_once(
    copy: Path, root: bytes, name: str, how
) -> None:
    how(copy / name) if how is not change else change(copy / name, 5)
    with pytest.raises(DamagedTreeError):
        StoredTree(copy, SIZE, root)
    tree = restore(copy, SIZE, root, journal)
    assert tree.root() == root
    assert StoredTree(copy, SIZE, root).inclusion(SIZE - 1) == tree.inclusion(SIZE - 1)


@pytest.mark.parametrize(("name", "index"), [("tile/0/007", 7 * 256 + 9), ("tile/1/000", 7 * 256 + 9)])
def test_a_tile_inside_that_is_not_as_signed_gets_into_no_proof(
    copy: Path, root: bytes, name: str, index: int
) -> None:
    change(copy / name)
    tree = StoredTree(copy, SIZE, root)
    with pytest.raises(DamagedTreeError, match=name):
        tree.inclusion(index)
    restore(copy, SIZE, root, journal)
    check_inclusion(
        leaf_hash(ENTRIES[index]), index, SIZE, root, StoredTree(copy, SIZE, root).inclusion(index)
    )


def test_swapped_tiles_get_into_no_proof(copy: Path, root: bytes) -> None:
    one, other = copy / "tile/0/003", copy / "tile/0/004"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    with pytest.raises(DamagedTreeError, match="tile/0/003"):
        StoredTree(copy, SIZE, root).inclusion(3 * 256)


def test_damaged_tiles_above_are_made_of_the_leaves_without_a_journal(copy: Path, root: bytes) -> None:
    shutil.rmtree(copy / "tile/1")
    (copy / "tile/2/000.p/1").unlink()
    assert restore(copy, SIZE, root, nothing).root() == root
    assert StoredTree(copy, SIZE, root).root() == root


def test_a_leaf_that_no_journal_has_any_more_is_told_and_changes_nothing(copy: Path, root: bytes) -> None:
    change(copy / "tile/0/007")
    before = {name: (copy / name).read_bytes() for name in files(copy)}
    with pytest.raises(DamagedTreeError, match="neither the tiles nor the journal"):
        restore(copy, SIZE, root, nothing)
    assert before == {name: (copy / name).read_bytes() for name in files(copy)}


def test_only_the_damaged_tile_is_asked_of_the_journal(copy: Path, root: bytes) -> None:
    change(copy / "tile/0/007")
    asked: list[int] = []

    def one_tile(index: int) -> Hashes:
        asked.append(index)
        return LEAVES[index : 8 * 256]

    restore(copy, SIZE, root, one_tile)
    assert set(asked) == {7 * 256}


def test_a_tree_of_another_root_is_refused(folder: Path) -> None:
    with pytest.raises(DamagedTreeError, match="66,000"):
        StoredTree(folder, SIZE, bytes(HASH_BYTES))
    with pytest.raises(DamagedTreeError):
        Tree(folder, SIZE + 1, bytes(HASH_BYTES))


def test_leaves_are_read_as_they_were_signed(copy: Path, root: bytes) -> None:
    tree = StoredTree(copy, SIZE, root)
    assert tree.tiles() == 258
    assert (tree.leaves(5) == LEAVES[5 * 256 : 6 * 256]).all()
    assert (tree.leaves(257) == LEAVES[257 * 256 :]).all()


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    grown(tmp_path / "log", ENTRIES[:300])
    for path in (tmp_path / "log").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


def test_the_first_record_that_is_another_is_found(folder: Path, root: bytes) -> None:
    tree = StoredTree(folder, SIZE, root)
    assert first_difference(tree, 0, LEAVES) is None
    assert first_difference(tree, 65_000, LEAVES[65_000:]) is None
    for index in (0, 255, 256, 65_999):
        other = LEAVES.copy()
        other[[index, -1], 31] ^= 1
        assert first_difference(tree, 0, other) == index
        assert first_difference(tree, index, other[index:]) == index
    moved = np.delete(LEAVES, 300, axis=0)
    assert first_difference(tree, 0, moved) == 300
    assert first_difference(tree, SIZE, LEAVES) is None
