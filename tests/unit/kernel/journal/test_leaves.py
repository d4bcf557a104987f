"""The leaf hashes of a journal follow what is written, over files, losses and retention."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kuntur.journal.file import JournalFileWriter
from kuntur.journal.proved import leaves as module
from kuntur.journal.proved.leaves import JournalLeaves
from kuntur.journal.repair import repair
from kuntur.transparency.errors import InconsistentLogError
from kuntur.transparency.tree.hashing import GONE, leaf_hash
from tests.support.journals import append, flip
from tests.support.signed_journals import SignedJournal, entries, payloads


@pytest.fixture
def journal(tmp_path: Path) -> SignedJournal:
    return SignedJournal(tmp_path)


def expected(journal: SignedJournal) -> list[bytes]:
    return [leaf_hash(payload) for path in journal.files for payload in payloads(path)]


def taken(leaves: JournalLeaves, index: int = 0) -> list[bytes]:
    """Returns all leaf hashes that are at hand from an index on."""
    found: list[bytes] = []
    while len(hashes := leaves(index + len(found))):
        found += [row.tobytes() for row in hashes]
    return found


def test_leaves_follow_the_journal_over_its_files_while_it_is_written(journal: SignedJournal) -> None:
    leaves = JournalLeaves(journal.directory)
    assert taken(leaves) == []
    found: list[bytes] = []
    for count in (3, 1, 40):
        writer = JournalFileWriter(journal.directory, max_file_bytes=1000)
        for _ in range(3):
            append(writer, entries(count, writer.next_sequence))
            found += taken(leaves, len(found))
            assert found == expected(journal)
        writer.close()
    assert len(journal.files) > 3
    assert len(found) == 3 * 44


def test_leaves_are_to_be_had_from_any_index(journal: SignedJournal) -> None:
    journal.grow(20, 1, 30)
    leaves, all_of_them = JournalLeaves(journal.directory), expected(journal)
    for index in (50, 0, 49, 20, 21, 19, 51, 7, 50):
        assert taken(leaves, index) == all_of_them[index:]
    leaves.close()
    leaves.close()


def test_no_more_leaves_are_given_than_are_known_to_be_on_the_disk(journal: SignedJournal) -> None:
    journal.grow(20, 30)
    synced = 0
    leaves = JournalLeaves(journal.directory, lambda: synced)
    found: list[bytes] = []
    for synced in (0, 1, 19, 20, 20, 33, 50):
        found += taken(leaves, len(found))
        assert found == expected(journal)[:synced]


def test_a_record_that_is_being_written_is_waited_for(journal: SignedJournal) -> None:
    journal.grow(5)
    path = journal.files[0]
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    leaves = JournalLeaves(journal.directory)
    assert len(taken(leaves)) == 4
    path.write_bytes(content)
    assert taken(leaves, 4) == expected(journal)[4:]


def test_bytes_that_stay_no_record_are_told(journal: SignedJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)
    journal.grow(5)
    with journal.files[0].open("ab") as file:
        file.write(b"torn")
    leaves = JournalLeaves(journal.directory)
    assert len(leaves(0)) == 5
    assert len(leaves(5)) == 0
    with pytest.raises(OSError, match="the file ends within a record"):
        leaves(5)


def test_entries_that_are_lost_have_the_leaf_of_the_empty_record(journal: SignedJournal) -> None:
    journal.grow(5, 5)
    whole = expected(journal)
    flip(journal.files[0], 8 * 40)
    repair(journal.directory)
    assert taken(JournalLeaves(journal.directory)) == [GONE, *whole[1:]]


def test_entries_in_front_of_the_first_file_have_it_too(journal: SignedJournal) -> None:
    journal.grow(5, 5)
    whole = expected(journal)
    journal.files[0].unlink()
    assert taken(JournalLeaves(journal.directory)) == [GONE] * 5 + whole[5:]
    assert taken(JournalLeaves(journal.directory), 3) == [GONE] * 2 + whole[5:]


def test_missing_entries_are_refused(journal: SignedJournal) -> None:
    journal.grow(5, 5, 5)
    journal.files[1].unlink()
    leaves = JournalLeaves(journal.directory)
    with pytest.raises(InconsistentLogError, match=r"entries 6 to 10 are missing .* journal repair"):
        taken(leaves)


def test_damage_in_front_of_entries_is_refused(journal: SignedJournal) -> None:
    journal.grow(5, 5)
    flip(journal.files[0], 8 * (journal.files[0].stat().st_size - 2))
    with pytest.raises(InconsistentLogError, match=r"does not have its checksum.*journal repair"):
        taken(JournalLeaves(journal.directory))


def test_a_file_that_reaches_over_the_next_is_refused(journal: SignedJournal) -> None:
    journal.grow(5, 5)
    first, second = journal.files
    content = first.read_bytes()
    first.unlink()
    second.unlink()
    journal.grow(4, 5)
    journal.files[0].write_bytes(content)
    with pytest.raises(InconsistentLogError, match="reaches further already"):
        taken(JournalLeaves(journal.directory))


def test_leaves_go_on_when_the_directory_was_moved_and_the_writer_began_anew(journal: SignedJournal) -> None:
    leaves = JournalLeaves(journal.directory)
    writer = JournalFileWriter(journal.directory)
    append(writer, entries(10, 1))
    writer.sync()
    assert len(taken(leaves)) == 10
    shutil.move(journal.directory, journal.root / "moved")
    assert taken(leaves, 10) == []
    journal.directory.mkdir()
    writer.resume()
    append(writer, entries(3, 2))
    writer.close()
    assert np.array_equal(leaves(10)[:, 0], [leaf[0] for leaf in expected(journal)])
    assert taken(leaves, 8) == [GONE, GONE, *expected(journal)]
