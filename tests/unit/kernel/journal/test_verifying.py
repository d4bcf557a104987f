"""What a verification finds, each with the words and the place that name it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kuntur.journal.errors import JournalKeyError
from kuntur.journal.file import file_name
from kuntur.journal.layout import Header
from kuntur.journal.proved import runs, verifying, walk
from kuntur.journal.proved.findings import Report
from kuntur.journal.proved.verifying import NotVerifiableError
from kuntur.journal.repair import repair
from kuntur.journal.sealing import write_new_key
from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.notes.note import Note
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED
from tests.support.journals import flip, write_revision_1
from tests.support.signed_journals import TIME_S, SignedJournal, payloads, renumbered, write_file
from tests.support.transparency import signing_key


@pytest.fixture
def journal(tmp_path: Path) -> SignedJournal:
    """1,000 entries in three files, all signed."""
    journal = SignedJournal(tmp_path)
    journal.grow(400, 300, 300)
    assert journal.sign() == 1000
    return journal


def told(report: Report) -> str:
    return "\n".join(finding.told() for finding in report.findings)


def test_a_journal_as_it_was_signed_holds(journal: SignedJournal) -> None:
    report = journal.verify()
    assert report.holds, told(report)
    assert (report.first, report.last, report.signed) == (1, 1000, 1000)
    assert report.bytes == sum(path.stat().st_size for path in journal.files)
    assert [each.path for each in report.checkpoints] == [
        journal.log / CHECKPOINT,
        journal.second / CHECKPOINT,
    ]
    assert report.notes == []


def test_it_takes_no_more_than_a_checkpoint_and_the_key(journal: SignedJournal) -> None:
    shutil.rmtree(journal.log)
    assert journal.verify().holds
    with pytest.raises(NotVerifiableError, match="--checkpoint"):
        journal.verify(second=False)


def test_entries_behind_the_newest_checkpoint_are_told(journal: SignedJournal) -> None:
    journal.grow(7)
    report = journal.verify()
    assert report.holds
    assert report.notes == ["7 entries are not signed yet"]
    assert (report.last, report.signed) == (1007, 1000)


def test_files_of_revision_1_and_lost_entries_are_part_of_it(tmp_path: Path) -> None:
    journal = SignedJournal(tmp_path)
    write_revision_1(journal.directory, 1, b"one", b"two", b"three")
    journal.grow(10, 10)
    flip(journal.files[1], 8 * 50)
    repair(journal.directory)
    assert journal.sign() == 23
    report = journal.verify()
    assert report.holds, told(report)
    assert any("a repair went on without entries 4 to 4" in note for note in report.notes)


def _rewrite(journal: SignedJournal, file: int, change: Callable[[list[bytes]], object]) -> None:
    path = journal.files[file]
    records = payloads(path)
    change(records)
    write_file(path, records)


def _change(journal: SignedJournal, file: int, at: int) -> None:
    def change(records: list[bytes]) -> None:
        changed = bytearray(records[at - 1])
        changed[-1] ^= 1
        records[at - 1] = bytes(changed)

    _rewrite(journal, file, change)


def _fill(journal: SignedJournal, file: int, at: int) -> None:
    def change(records: list[bytes]) -> None:
        records[at] = records[at][:3] + b"\xff" * 20

    _rewrite(journal, file, change)


def _put_in(journal: SignedJournal, file: int, at: int) -> None:
    def change(records: list[bytes]) -> None:
        records.insert(at - 1, records[at])
        records[:] = renumbered(records, 701)

    _rewrite(journal, file, change)


def _cut(journal: SignedJournal, file: int, left: int) -> None:
    def change(records: list[bytes]) -> None:
        del records[left:]

    _rewrite(journal, file, change)


def _tear(journal: SignedJournal) -> None:
    content = journal.files[-1].read_bytes()
    journal.files[-1].write_bytes(content[:-5])


def _swap(journal: SignedJournal, one: int, other: int) -> None:
    first, second = journal.files[one], journal.files[other]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def _swap_well(journal: SignedJournal, one: int, other: int) -> None:
    """Swaps the records of two files of one length, with sequences and checksums as they have to be."""
    first, second = journal.files[one], journal.files[other]
    ours, theirs = payloads(first), payloads(second)
    write_file(first, renumbered(theirs, int(first.stem[-20:])))
    write_file(second, renumbered(ours, int(second.stem[-20:])))


# What somebody may do who can write the journal's folder, and what is then said first.
DONE: dict[str, tuple[Callable[[SignedJournal], object], str]] = {
    "an entry removed": (
        lambda j: j.remove_entry(477),
        "entry 477, .*: this is not the entry that was signed",
    ),
    "the first entry removed": (lambda j: j.remove_entry(1), "entry 1, .*not the entry that was signed"),
    "the last entry removed": (lambda j: j.remove_entry(1000), "1,000 entries were signed here.*entry 999"),
    "an entry changed": (
        lambda j: _change(j, 1, 5),
        "byte .*entry 405, written .*: this is not the entry that was signed",
    ),
    "an entry put in": (lambda j: _put_in(j, 2, 8), "entry 708, .*not the entry that was signed"),
    "the tail cut": (lambda j: _cut(j, 2, 120), "1,000 entries were signed here.*ends with entry 820"),
    "the last file dropped": (lambda j: j.files[2].unlink(), "the journal ends with entry 700"),
    "the first file dropped": (lambda j: j.files[0].unlink(), "entries 1 to 400 are not there"),
    "a file dropped": (lambda j: j.files[1].unlink(), "entries 401 to 700 are missing in front of this file"),
    "two files swapped": (lambda j: _swap(j, 0, 1), "entry 401 stands where entry 1 belongs"),
    "two files swapped and made right": (lambda j: _swap_well(j, 1, 2), "entry 401, .*not the entry"),
    "all files dropped": (lambda j: [path.unlink() for path in j.files], "there is no file of a journal"),
    "a tail that is torn": (_tear, "entry 1,000.*the file ends within a record"),
    "no entry in a record": (lambda j: _fill(j, 1, 9), "entry 410.*not the entry that was signed"),
}


@pytest.mark.parametrize("what", DONE)
def test_what_was_done_to_the_journal_is_found(journal: SignedJournal, what: str) -> None:
    do, words = DONE[what]
    do(journal)
    report = journal.verify()
    assert not report.holds
    first = report.findings[0].told()
    assert re.search(words, first), first


@pytest.mark.parametrize("what", DONE)
def test_it_is_found_without_tiles_too(journal: SignedJournal, what: str) -> None:
    DONE[what][0](journal)
    shutil.rmtree(journal.log)
    assert not journal.verify().holds


def test_a_wrong_entry_is_named_with_file_offset_sequence_and_time(journal: SignedJournal) -> None:
    _change(journal, 1, 5)
    [finding] = journal.verify().findings
    path = journal.directory / file_name(401)
    offset = 32 + sum(20 + len(payload) for payload in payloads(path)[:4])
    assert (finding.file, finding.offset, finding.sequence) == (path, offset, 405)
    assert finding.written == datetime.fromtimestamp(TIME_S + 4, UTC).isoformat(timespec="microseconds")


def test_a_damaged_entry_is_named_too(journal: SignedJournal) -> None:
    path = journal.files[1]
    offset = 32 + sum(20 + len(payload) for payload in payloads(path)[:9])
    flip(path, 8 * (offset + 20 + 30))
    [finding] = journal.verify().findings
    assert (finding.file, finding.offset, finding.sequence) == (path, offset, 410)
    assert finding.what == "a record does not have its checksum"


def test_an_old_copy_put_back_is_found_by_the_second_place(journal: SignedJournal) -> None:
    copy = journal.copy(journal.root / "copy")
    journal.grow(150)
    assert journal.sign() == 1150
    journal.put_back(copy)
    assert journal.verify(second=False).holds
    report = journal.verify()
    assert "1,150 entries were signed here, and the journal ends with entry 1,000" in told(report)
    assert report.findings[0].file == journal.second / CHECKPOINT


def test_an_old_copy_that_went_on_is_found_by_the_second_place(journal: SignedJournal) -> None:
    copy = journal.copy(journal.root / "copy")
    journal.grow(150)
    journal.sign()
    second = (journal.second / CHECKPOINT).read_bytes()
    journal.put_back(copy)
    shutil.rmtree(journal.second)
    journal.grow(3, 200)
    assert journal.sign() == 1203
    assert journal.verify(second=False).holds
    journal.second.mkdir(exist_ok=True)
    (journal.second / CHECKPOINT).write_bytes(second)
    report = journal.verify()
    assert "the log was forked" in told(report)


def test_a_whole_history_made_anew_is_found_by_the_second_place(
    journal: SignedJournal, tmp_path: Path
) -> None:
    other = SignedJournal(tmp_path / "other")
    other.grow(1000, largest=40)
    other.sign()
    journal.put_back(other.directory)
    report = journal.verify()
    assert "forked" in told(report) or "not those that this was signed over" in told(report)


def test_a_checkpoint_of_nobody_known_vouches_for_nothing(journal: SignedJournal) -> None:
    report = journal.verify(keys=[signing_key(5).verifier])
    assert "none of the known keys signed the note" in told(report)
    assert report.checkpoints == []
    report = journal.verify(keys=[signing_key(5, name="another.example/journal").verifier])
    assert "no key is known of the log" in told(report)


def test_one_damaged_checkpoint_is_told_beside_what_the_other_vouches_for(journal: SignedJournal) -> None:
    flip(journal.log / CHECKPOINT, 8 * 30)
    report = journal.verify()
    [finding] = report.findings
    assert finding.file == journal.log / CHECKPOINT
    assert report.last == 1000


def test_a_checkpoint_that_is_not_there_is_told(journal: SignedJournal) -> None:
    report = journal.verify(checkpoints=[journal.root / "nowhere", journal.root])
    assert [(each.what, each.file) for each in report.findings] == [
        ("there is no checkpoint", journal.root / "nowhere"),
        ("there is no checkpoint", journal.root / CHECKPOINT),
    ]


def test_keys_that_are_rotated_sign_together(tmp_path: Path) -> None:
    journal = SignedJournal(tmp_path)
    journal.grow(10)
    journal.sign()
    write_key(tmp_path / "keys" / "next.key", signing_key(2))
    journal.grow(10)
    journal.sign()
    for keys in ([1], [2], [1, 2]):
        report = journal.verify(keys=[signing_key(seed).verifier for seed in keys])
        assert report.holds
        assert {len(each.signers) for each in report.checkpoints} == {len(keys)}


def test_witnesses_have_to_have_cosigned(journal: SignedJournal) -> None:
    witness = signing_key(9, KeyKind.WITNESS)
    report = journal.verify(witnesses=[witness.verifier])
    assert "no checkpoint is cosigned by the witness supervisor.example/witness" in told(report)
    note = Note.parse((journal.log / CHECKPOINT).read_bytes()).signed([witness], TIME_S)
    (journal.log / WITNESSED).write_bytes(note.encode())
    report = journal.verify(witnesses=[witness.verifier])
    assert report.holds, told(report)
    assert "cosigned by supervisor.example/witness" in report.checkpoints[1].told()
    journal.grow(300)
    journal.sign()
    assert journal.verify(witnesses=[witness.verifier]).holds


def test_two_checkpoints_of_one_size_that_differ_prove_a_fork(journal: SignedJournal, tmp_path: Path) -> None:
    other = SignedJournal(tmp_path / "other")
    other.grow(1000, largest=30)
    other.sign()
    report = journal.verify(checkpoints=[other.second])
    assert any(finding.file == other.second / CHECKPOINT for finding in report.findings)


@pytest.mark.parametrize("tile", ["tile/0/001", "tile/0/003.p/232", "tile/1/000.p/3"])
def test_a_damaged_tile_is_told_and_the_journal_still_proved(journal: SignedJournal, tile: str) -> None:
    flip(journal.log / tile, 8 * 40)
    report = journal.verify()
    [finding] = report.findings
    assert ("tiles at the edge" if ".p/" in tile else tile) in finding.told()
    (journal.log / tile).unlink()
    report = journal.verify()
    assert "missing" in told(report)
    assert report.last == 1000


def test_a_journal_whose_beginning_was_removed_is_verified_from_there(journal: SignedJournal) -> None:
    journal.files[0].unlink()
    [finding] = journal.verify().findings
    assert "--from 401" in finding.what
    report = journal.verify(first=401)
    assert report.holds, told(report)
    assert (report.first, report.last) == (401, 1000)
    assert journal.verify(first=555).holds
    _change(journal, 0, 200)
    assert journal.verify(first=401).findings[0].sequence == 600
    assert journal.verify(first=601).holds
    shutil.rmtree(journal.log)
    with pytest.raises(NotVerifiableError, match="--log"):
        journal.verify(first=401)


def test_entries_that_were_signed_and_are_lost_are_found(journal: SignedJournal) -> None:
    flip(journal.files[1], 8 * 50)
    repair(journal.directory)
    finding = journal.verify().findings[0]
    assert finding.sequence == 401
    assert "is lost: a repair of the journal went on without it" in finding.what


def test_a_journal_that_says_what_it_lost_is_signed_on(journal: SignedJournal) -> None:
    journal.grow(20)
    flip(journal.files[2], 8 * (journal.files[2].stat().st_size - 2))
    repair(journal.directory)
    assert journal.sign() == 1020
    assert "entry 1,000 was signed, and the journal says itself that it is gone" in journal.told[0]
    finding = journal.verify().findings[0]
    assert (finding.sequence, "is lost" in finding.what) == (1000, True)


def test_a_wrong_entry_and_a_wrong_tile_are_told_as_near_as_can_be(journal: SignedJournal) -> None:
    flip(journal.log / "tile/1/000.p/3", 8)
    _change(journal, 1, 5)
    assert "the first tile that is not theirs is that of entries 257 to 512" in told(journal.verify())


def test_it_goes_on_where_an_earlier_one_ended(journal: SignedJournal, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert journal.verify(state=state).bytes == sum(path.stat().st_size for path in journal.files)
    assert state.stat().st_mode & 0o777 == 0o600
    again = journal.verify(state=state)
    assert again.holds
    assert again.notes == ["entries up to 1,000 were verified before, and not read again"]
    journal.grow(100)
    journal.sign()
    report = journal.verify(state=state)
    assert report.holds
    assert report.last == 1100
    _change(journal, 3, 50)
    changed = journal.verify(state=state)
    assert changed.holds  # it stands in front of where it goes on
    state.unlink()
    assert journal.verify(state=state).findings[0].sequence == 1050
    assert not state.exists()


def test_one_that_is_cut_off_is_gone_on_with(
    journal: SignedJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_WINDOW", 2000)
    monkeypatch.setattr(verifying, "_SAVE_S", 0.0)
    state, calls = tmp_path / "state", 0

    def read(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.verify(state=state, read=read)
    report = journal.verify(state=state)
    assert report.holds, told(report)
    assert "verified before" in report.notes[0]
    assert "up to 1,000" not in report.notes[0]


@pytest.mark.parametrize("change", ["size", "hash", "offset", "file", "origin", "noise"])
def test_a_state_that_was_changed_is_not_believed(
    journal: SignedJournal, tmp_path: Path, change: str
) -> None:
    state = tmp_path / "state"
    journal.verify(state=state)
    content = json.loads(state.read_text())
    journal.grow(50)
    journal.sign()
    if change == "noise":
        state.write_bytes(b"\xff{")
    else:
        changed = {
            "size": content | {"size": 1000 - 256},
            "hash": content | {"levels": [content["levels"][1], *content["levels"][1:]]},
            "offset": content | {"offset": content["offset"] - 7},
            "file": content | {"file": file_name(1)},
            "origin": content | {"origin": "another.example"},
        }[change]
        state.write_text(json.dumps(changed))
    report = journal.verify(state=state)
    assert report.holds, told(report)
    assert report.last == 1050


@pytest.mark.parametrize("what", ["the tail cut", "the last file dropped", "the last entry removed"])
def test_a_journal_that_was_cut_since_is_found_by_one_that_goes_on(
    journal: SignedJournal, tmp_path: Path, what: str
) -> None:
    state = tmp_path / "state"
    assert journal.verify(state=state).holds
    do, words = DONE[what]
    do(journal)
    report = journal.verify(state=state)
    assert re.search(words, report.findings[0].told())
    assert "all was read anew" in report.notes[-1]


def test_to_begin_behind_the_end_finds_that_there_is_nothing(journal: SignedJournal) -> None:
    journal.files[-1].unlink()
    assert "the journal ends with entry 700" in told(journal.verify(first=800))


def test_keys_of_several_logs_are_refused(journal: SignedJournal) -> None:
    other = signing_key(3, name="another.example/journal").verifier
    with pytest.raises(NotVerifiableError, match="several logs"):
        journal.verify(keys=[signing_key().verifier, other])


def test_progress_reaches_the_end(journal: SignedJournal) -> None:
    told: list[tuple[int, int]] = []
    journal.verify(read=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)


def test_a_record_without_an_entry_behind_the_newest_checkpoint_is_found(journal: SignedJournal) -> None:
    journal.grow(5)
    _fill(journal, 3, 2)
    [finding] = journal.verify().findings
    assert (finding.sequence, finding.what) == (1003, "the record holds no entry")


def test_many_entries_that_a_repair_counts_are_taken_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "_MOST_GONE", 7)
    journal = SignedJournal(tmp_path)
    journal.grow(30, 30)
    journal.files[0].unlink()
    repaired = journal.files[0].rename(journal.directory / file_name(1))
    content = repaired.read_bytes()
    header = Header(2, 30, content[20:28])
    repaired.write_bytes(header.pack() + content[32:])
    assert journal.sign() == 60
    report = journal.verify()
    assert report.holds, told(report)
    assert report.last == 60


def test_an_encrypted_journal_is_signed_over_what_it_says(tmp_path: Path) -> None:
    journal = SignedJournal(tmp_path, encrypted=True)
    journal.grow(300, 100)
    assert journal.journal_keys is not None
    write_new_key(journal.journal_keys / "2.key")
    journal.grow(100)
    assert journal.sign() == 500
    report = journal.verify()
    assert report.holds, told(report)
    plain = SignedJournal(tmp_path / "plain")
    plain.directory.mkdir(parents=True)
    for path in journal.files:
        write_file(plain.directory / path.name, payloads(path, journal.ring))
    assert plain.sign() == 500
    assert plain.verify().checkpoints[0].root == report.checkpoints[0].root
    with pytest.raises(JournalKeyError, match="the file is encrypted with key"):
        journal.verify(journal_keys=None)


@pytest.mark.parametrize("byte", [3, 30, 40, 44 + 2, 44 + 9, 44 + 14, 44 + 26, 44 + 29, 44 + 40])
def test_a_flipped_bit_of_an_encrypted_journal_is_found(tmp_path: Path, byte: int) -> None:
    journal = SignedJournal(tmp_path, encrypted=True)
    journal.grow(10, 10)
    journal.sign()
    flip(journal.files[1], 8 * byte)
    finding = journal.verify().findings[0]
    assert (finding.file, finding.sequence) == (journal.files[1], 11)


def test_an_encrypted_record_of_another_place_is_found(tmp_path: Path) -> None:
    journal = SignedJournal(tmp_path, encrypted=True)
    journal.grow(10)
    journal.sign()
    path = journal.files[0]
    content = path.read_bytes()
    size = 32 + 16 + len(payloads(path, journal.ring)[0])
    path.write_bytes(content[:44] + content[44 + size :])
    finding = journal.verify().findings[0]
    assert (finding.offset, finding.what) == (44, "entry 2 stands where entry 1 belongs")
