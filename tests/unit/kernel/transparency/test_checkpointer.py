"""What signs: it goes on from what was signed, whatever became of tree, journal, places and keys."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from kuntur.transparency.errors import InconsistentLogError, NoteError
from kuntur.transparency.notes.checkpoint import SignedCheckpoint
from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.signing.checkpointer import Checkpointer, LogPlan
from kuntur.transparency.signing.places import CHECKPOINT, Places, read_checkpoint
from kuntur.transparency.signing.run import Rhythm, run
from kuntur.transparency.tree.hashing import Hashes
from kuntur.transparency.tree.proofs import check_consistency
from kuntur.transparency.tree.stored import StoredTree
from tests.support.transparency import grown, leaves, merkle_tree_hash, records, signed, signing_key

LEAVES = leaves(3000)
KEY = signing_key().verifier


class Journal:
    """A journal, of which the leaf hashes up to some entry are there."""

    def __init__(self, size: int) -> None:
        self.hashes: Hashes = LEAVES.copy()
        self.size = size

    def leaves(self, index: int) -> Hashes:
        return self.hashes[index : min(self.size, index + 500)]


class Bank:
    """A log with all that belongs to it."""

    def __init__(self, root: Path) -> None:
        self.plan = LogPlan(root / "tree", root / "keys", (root / "elsewhere",))
        write_key(self.plan.keys / "1.key", signing_key())
        self.journal = Journal(0)
        self.told: list[str] = []

    def open(self) -> Checkpointer:
        return Checkpointer(self.plan, self.journal.leaves, self.told.append)

    def grow(self, size: int) -> SignedCheckpoint:
        """Has the journal grow, and all of it signed by a process that ends then."""
        self.journal.size = size
        checkpointer = self.open()
        try:
            while checkpointer.take():
                pass
            found = checkpointer.sign()
        finally:
            checkpointer.close()
        assert found is not None
        return found

    def at(self, place: int) -> SignedCheckpoint:
        folder = (self.plan.tree, *self.plan.elsewhere)[place]
        found = read_checkpoint(folder / CHECKPOINT, [KEY])
        assert found is not None
        return found


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path)


def test_each_place_gets_each_checkpoint(bank: Bank) -> None:
    for size in (0, 5, 700, 2000):
        bank.grow(size)
        assert bank.at(0) == bank.at(1)
        assert bank.at(0).checkpoint.size == size
        assert bank.at(0).checkpoint.root == merkle_tree_hash(records(size))
    assert not bank.told


def test_a_checkpoint_follows_the_one_before(bank: Bank) -> None:
    one, other = bank.grow(700).checkpoint, bank.grow(1500).checkpoint
    tree = StoredTree(bank.plan.tree, other.size, other.root)
    check_consistency(one.size, one.root, other.size, other.root, tree.consistency(one.size))


def test_nothing_new_is_not_signed_again(bank: Bank) -> None:
    bank.grow(10)
    checkpointer = bank.open()
    assert checkpointer.take() == 0
    assert checkpointer.sign() is None
    checkpointer.close()


def test_two_processes_do_not_sign_one_log(bank: Bank) -> None:
    checkpointer = bank.open()
    with pytest.raises(OSError, match="another process signs this log"):
        bank.open()
    checkpointer.close()
    bank.open().close()


def test_a_journal_that_lost_its_tail_is_not_signed(bank: Bank) -> None:
    bank.grow(700)
    bank.journal.size = 699
    with pytest.raises(InconsistentLogError, match="has lost entries"):
        bank.open()
    assert bank.at(0).checkpoint.size == 700


def test_a_journal_whose_last_entry_is_another_is_not_signed(bank: Bank) -> None:
    bank.grow(700)
    bank.journal.hashes[699, 3] ^= 1
    with pytest.raises(InconsistentLogError, match="entry 699"):
        bank.open()


def test_a_lost_tree_is_made_anew_of_the_journal_and_signing_goes_on(bank: Bank) -> None:
    bank.grow(700)
    shutil.rmtree(bank.plan.tree)
    assert bank.grow(1500).checkpoint.root == merkle_tree_hash(records(1500))
    assert "written anew" in bank.told[0]


def test_an_old_copy_of_tree_and_journal_is_found_by_the_other_place(bank: Bank, tmp_path: Path) -> None:
    bank.grow(700)
    copy = shutil.copytree(bank.plan.tree, tmp_path / "copy")
    bank.grow(1500)
    shutil.rmtree(bank.plan.tree)
    shutil.copytree(copy, bank.plan.tree)
    bank.journal.size = 700
    with pytest.raises(InconsistentLogError, match="not what was signed"):
        bank.open()
    bank.journal.size = 1500  # the old tree alone is no harm: it is brought up to what was signed
    assert bank.grow(1600).checkpoint.root == merkle_tree_hash(records(1600))


def test_another_history_of_the_same_length_is_not_signed(bank: Bank) -> None:
    bank.grow(700)
    shutil.rmtree(bank.plan.tree)
    bank.journal.hashes[[5, 6]] = bank.journal.hashes[[6, 5]]
    with pytest.raises(InconsistentLogError, match="not what was signed"):
        bank.open()


def test_checkpoints_that_contradict_each_other_end_the_signing(bank: Bank, tmp_path: Path) -> None:
    bank.grow(700)
    forked = grown(tmp_path / "forked", records(701)[1:])
    (bank.plan.elsewhere[0] / CHECKPOINT).write_bytes(signed(forked).encode())
    with pytest.raises(InconsistentLogError, match="forked"):
        bank.open()


def test_an_older_checkpoint_that_was_forked_ends_the_signing(bank: Bank, tmp_path: Path) -> None:
    bank.grow(700)
    forked = grown(tmp_path / "forked", records(301)[1:])
    (bank.plan.elsewhere[0] / CHECKPOINT).write_bytes(signed(forked).encode())
    with pytest.raises(InconsistentLogError, match="forked"):
        bank.open()


def test_a_new_place_gets_the_checkpoint_with_nothing_new(bank: Bank) -> None:
    bank.grow(700)
    shutil.rmtree(bank.plan.elsewhere[0])
    assert bank.grow(700).checkpoint.size == 700
    assert bank.at(1) == bank.at(0)


def test_a_forged_checkpoint_is_named(bank: Bank, tmp_path: Path) -> None:
    bank.grow(700)
    forged = signed(grown(tmp_path / "forged", records(800)), signing_key(7))
    (bank.plan.tree / CHECKPOINT).write_bytes(forged.encode())
    with pytest.raises(NoteError, match=f"{bank.plan.tree / CHECKPOINT}"):
        bank.open()


def test_damage_behind_the_back_of_a_running_process_is_not_signed(bank: Bank) -> None:
    bank.grow(700)
    bank.journal.size = 900
    checkpointer = bank.open()
    checkpointer.take()
    tile = bank.plan.tree / "tile/0/000"
    content = bytearray(tile.read_bytes())
    content[7] ^= 1
    tile.write_bytes(content)
    assert checkpointer.sign() is None or bank.at(0).checkpoint.root == merkle_tree_hash(records(900))
    while checkpointer.take():
        pass
    checkpointer.sign()
    checkpointer.close()
    last = bank.at(0).checkpoint
    assert (last.size, last.root) == (900, merkle_tree_hash(records(900)))


def test_both_keys_sign_while_they_are_rotated(bank: Bank) -> None:
    bank.grow(700)
    write_key(bank.plan.keys / "2.key", signing_key(2))
    checkpointer = bank.open()
    checkpointer.sign()
    bank.journal.size = 800
    checkpointer.take()
    both = checkpointer.sign()
    assert both is not None
    assert set(both.note.verified([KEY, signing_key(2).verifier])) == {KEY, signing_key(2).verifier}
    (bank.plan.keys / "1.key").unlink()
    new = checkpointer.sign()  # with nothing new but the keys
    assert new is not None
    assert new.checkpoint == both.checkpoint
    assert list(new.note.verified([signing_key(2).verifier])) == [signing_key(2).verifier]
    with pytest.raises(NoteError):
        new.note.verified([KEY])
    checkpointer.close()
    bank.grow(900)


def test_a_key_is_not_exchanged_in_one_step(bank: Bank) -> None:
    bank.grow(700)
    checkpointer = bank.open()
    write_key(bank.plan.keys / "2.key", signing_key(2))
    (bank.plan.keys / "1.key").unlink()
    bank.journal.size = 800
    checkpointer.take()
    found = checkpointer.sign()
    assert found is not None
    assert list(found.note.verified([KEY])) == [KEY]
    assert "beside the old one" in bank.told[-1]
    checkpointer.close()
    with pytest.raises(NoteError, match="none of the known keys"):
        bank.open()


def test_keys_that_others_may_read_are_not_used(bank: Bank) -> None:
    (bank.plan.keys / "1.key").chmod(0o644)
    with pytest.raises(NoteError, match="chmod 600"):
        bank.open()


def test_a_place_that_is_away_is_told_and_the_others_are_written(bank: Bank, tmp_path: Path) -> None:
    bank.grow(700)
    shutil.rmtree(bank.plan.elsewhere[0])
    bank.plan.elsewhere[0].write_text("a file where the folder was", "utf-8")
    bank.journal.size = 900
    with pytest.raises(NotADirectoryError):
        bank.open()
    bank.plan.elsewhere[0].unlink()
    assert bank.grow(900).checkpoint.size == 900
    places = Places((tmp_path / "here", bank.plan.keys / "1.key" / "not a folder"), bank.told.append)
    places.put(bank.at(0).note)
    assert "into the other places alone" in bank.told[-1]
    assert places.folders[0].joinpath(CHECKPOINT).exists()
    with pytest.raises(OSError, match=r"1\.key"):
        Places((bank.plan.keys / "1.key" / "x",), bank.told.append).put(bank.at(0).note)


def test_a_witness_key_does_not_sign_a_log(bank: Bank) -> None:
    (bank.plan.keys / "1.key").unlink()
    write_key(bank.plan.keys / "1.key", signing_key(1, KeyKind.WITNESS))
    with pytest.raises(NoteError, match="not a log's"):
        bank.open()


def test_all_is_signed_when_it_is_told_to_stop(bank: Bank) -> None:
    bank.journal.size = 2500
    stop = threading.Event()
    found: list[SignedCheckpoint] = []
    stop.set()
    run(bank.plan, bank.journal.leaves, stop, published=found.append)
    assert [each.checkpoint.size for each in found] == [2500]


def test_a_checkpoint_comes_after_so_many_entries_without_waiting_for_its_time(bank: Bank) -> None:
    bank.journal.size = 3000
    stop = threading.Event()
    found: list[int] = []

    def published(signed: SignedCheckpoint) -> None:
        found.append(signed.checkpoint.size)
        if signed.checkpoint.size == 2500:
            stop.set()

    rhythm = Rhythm(interval_s=3600, max_entries=1000)
    run(bank.plan, bank.journal.leaves, stop, rhythm=rhythm, published=published)
    assert found == [500, 1500, 2500, 3000]


def test_a_disk_that_cannot_be_written_for_a_while_is_told_and_all_is_signed_then(bank: Bank) -> None:
    bank.grow(10)
    bank.journal.size = 700
    stop = threading.Event()
    in_the_way = bank.plan.tree / "tile/0/002.p"
    in_the_way.write_text("where a folder is to be made", "utf-8")

    def tell(sentence: str) -> None:
        bank.told.append(sentence)
        in_the_way.unlink()
        stop.set()

    run(bank.plan, bank.journal.leaves, stop, rhythm=Rhythm(0.01, 10), tell=tell)
    assert "a checkpoint waits" in bank.told[0]
    last = bank.at(0).checkpoint
    assert (last.size, last.root) == (700, merkle_tree_hash(records(700)))


@pytest.mark.parametrize("seed", range(8))
def test_a_write_that_was_cut_off_is_found_and_written_anew(bank: Bank, seed: int) -> None:
    random = np.random.default_rng(seed)
    bank.grow(int(random.integers(1, 1200)))
    # What a crash leaves of the save behind it: drafts, and tiles whole, torn or missing.
    behind = bank.open()
    bank.journal.size = int(random.integers(1300, 3000))
    while behind.take():
        pass
    behind._tree.save()
    behind.close()
    size = bank.at(0).checkpoint.size
    for path in sorted((bank.plan.tree / "tile").rglob("*")):
        level, number = _place(bank.plan.tree, path)
        new = path.is_file() and (number + 1) * 256 ** (level + 1) > size and ".p" not in str(path)
        if new and random.random() < 0.5:
            content = path.read_bytes()
            path.write_bytes(content[: int(random.integers(0, len(content)))])
    assert bank.grow(bank.journal.size).checkpoint.root == merkle_tree_hash(records(bank.journal.size))
    last = bank.at(0).checkpoint
    for index in random.integers(0, last.size, 20):
        StoredTree(bank.plan.tree, last.size, last.root).inclusion(int(index))


def _place(tree: Path, path: Path) -> tuple[int, int]:
    parts = path.relative_to(tree).parts
    number = parts[2].removesuffix(".p") if len(parts) > 2 else "0"
    return int(parts[1]), int(number)
