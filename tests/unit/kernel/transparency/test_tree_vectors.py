"""The tree against numbers of others: the vectors that logs of certificates share, and examples of C2SP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kuntur.transparency.errors import ProofError
from kuntur.transparency.tree.frontier import Frontier
from kuntur.transparency.tree.hashing import EMPTY_ROOT, leaf_hash, leaf_hashes, rows, run
from kuntur.transparency.tree.proofs import check_consistency, check_inclusion
from kuntur.transparency.tree.tiles import Tile, edge
from kuntur.transparency.tree.tree import Tree

ENTRIES = [
    *map(bytes.fromhex, ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")),
    bytes.fromhex("606162636465666768696a6b6c6d6e6f"),
]
ROOTS = [
    bytes.fromhex(each)
    for each in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
PATH_OF_0_IN_8 = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)
FROM_6_TO_8 = (
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.append(leaf_hashes(ENTRIES))
    return tree


def test_the_roots_of_all_sizes_are_those_that_others_have(tree: Tree) -> None:
    assert [tree.root(size) for size in range(9)] == ROOTS
    assert tree.root() == ROOTS[8]


def test_a_tree_without_leaves_has_the_root_of_nothing(tmp_path: Path) -> None:
    assert Tree(tmp_path).root() == Frontier().root() == EMPTY_ROOT == ROOTS[0]


def test_an_audit_path_is_the_one_that_others_have(tree: Tree) -> None:
    assert [each.hex() for each in tree.inclusion(0)] == list(PATH_OF_0_IN_8)


def test_a_consistency_proof_is_the_one_that_others_have(tree: Tree) -> None:
    assert [each.hex() for each in tree.consistency(6)] == list(FROM_6_TO_8)


def test_the_path_of_an_only_leaf_is_empty(tree: Tree) -> None:
    assert tree.inclusion(0, 1) == []
    check_inclusion(leaf_hash(b""), 0, 1, ROOTS[1], [])


def test_nothing_is_to_prove_from_an_empty_tree_nor_to_the_same(tree: Tree) -> None:
    assert tree.consistency(0) == tree.consistency(8) == []
    check_consistency(0, ROOTS[0], 8, ROOTS[8], [])
    check_consistency(8, ROOTS[8], 8, ROOTS[8], [])


LEAF, ZERO = leaf_hash(ENTRIES[5]), bytes(32)
Path5 = Callable[[list[bytes]], None]
NOT_INCLUDED: dict[str, Path5] = {
    "another index": lambda path: check_inclusion(LEAF, 4, 8, ROOTS[8], path),
    "another size": lambda path: check_inclusion(LEAF, 5, 9, ROOTS[8], path),
    "an index beyond": lambda path: check_inclusion(LEAF, 8, 8, ROOTS[8], path),
    "a negative index": lambda path: check_inclusion(LEAF, -1, 8, ROOTS[8], path),
    "a longer path": lambda path: check_inclusion(LEAF, 5, 8, ROOTS[8], [*path, ZERO]),
    "a longer path in front": lambda path: check_inclusion(LEAF, 5, 8, ROOTS[8], [ZERO, *path]),
    "a shorter path": lambda path: check_inclusion(LEAF, 5, 8, ROOTS[8], path[:-1]),
    "no path": lambda _path: check_inclusion(LEAF, 5, 8, ROOTS[8], []),
    "a shorter hash": lambda path: check_inclusion(LEAF, 5, 8, ROOTS[8], [path[0][:31], *path[1:]]),
    "another leaf": lambda path: check_inclusion(ZERO, 5, 8, ROOTS[8], path),
}
NOT_CONSISTENT: dict[str, Path5] = {
    "a tree that shrinks": lambda path: check_consistency(8, ROOTS[8], 6, ROOTS[6], path),
    "no proof": lambda _path: check_consistency(6, ROOTS[6], 8, ROOTS[8], []),
    "a longer proof": lambda path: check_consistency(6, ROOTS[6], 8, ROOTS[8], [*path, ZERO]),
    "a shorter proof": lambda path: check_consistency(6, ROOTS[6], 8, ROOTS[8], path[:-1]),
    "swapped roots": lambda path: check_consistency(6, ROOTS[8], 8, ROOTS[6], path),
    "another old size": lambda path: check_consistency(5, ROOTS[6], 8, ROOTS[8], path),
    "a proof from nothing": lambda path: check_consistency(0, ROOTS[0], 8, ROOTS[8], path),
    "an empty tree with a root": lambda _path: check_consistency(0, ROOTS[1], 8, ROOTS[8], []),
    "two roots of one size": lambda _path: check_consistency(8, ROOTS[7], 8, ROOTS[8], []),
}


@pytest.mark.parametrize("what", NOT_INCLUDED)
def test_a_path_that_proves_no_place_in_the_tree_is_refused(tree: Tree, what: str) -> None:
    with pytest.raises(ProofError):
        NOT_INCLUDED[what](tree.inclusion(5))


@pytest.mark.parametrize("what", NOT_CONSISTENT)
def test_a_proof_that_proves_no_growth_is_refused(tree: Tree, what: str) -> None:
    with pytest.raises(ProofError):
        NOT_CONSISTENT[what](tree.consistency(6))


def test_the_path_of_a_tile_is_that_of_the_specification() -> None:
    assert str(Tile(0, 1234067).path()) == "tile/0/x001/x234/067"
    assert str(Tile(1, 0).path(17)) == "tile/1/000.p/17"
    assert str(Tile(63, 999).path()) == "tile/63/999"
    assert str(Tile(2, 1000).path(255)) == "tile/2/x001/000.p/255"


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    assert edge(70_000) == [(Tile(0, 273), 112), (Tile(1, 1), 17), (Tile(2, 0), 1)]
    assert Tile(0, 272).width(70_000) == Tile(1, 0).width(70_000) == 256
    assert edge(256) == [(Tile(1, 0), 1)]


def test_rows_and_a_run_of_hashes_are_the_same_bytes() -> None:
    hashes = leaf_hashes(ENTRIES)
    assert hashes.shape == (8, 32)
    assert run(rows(run(hashes))) == b"".join(map(leaf_hash, ENTRIES))
    with pytest.raises(ValueError, match="uint8"):
        run(hashes.astype("int64"))
