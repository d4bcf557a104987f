"""An entry that is looked up by its sequence is the one that reading all of them finds, or none is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.journal import records
from kuntur.journal.file import JournalError, JournalFileWriter, find_record, journal_files, read_entries
from kuntur.journal.records import JournalFile
from kuntur.journal.sealing import KeyRing
from tests.property.test_journal_damage import damaged, damages
from tests.support.examples import examples
from tests.support.journals import append, entry, key_ring, write_revision_1

KEYS = key_ring("1.key")
Files = list[tuple[bool, list[int]]]

# Files of a journal: whether they are encrypted from this one on, and the sizes of its requests.
_FILES = st.lists(
    st.tuples(st.booleans(), st.lists(st.integers(0, 2_000), min_size=1, max_size=60)), min_size=1, max_size=4
)


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has short files halved too."""
    monkeypatch.setattr(records, "_NEAR_BYTES", 256)


def written(directory: Path, files: Files) -> None:
    encrypted = False
    for encrypted_from_here, sizes in files:
        encrypted |= encrypted_from_here
        writer = JournalFileWriter(directory, keys=KEYS if encrypted else None)
        append(writer, [entry(bytes([place % 256]) * size) for place, size in enumerate(sizes)])
        writer.close()


@examples(60)
@given(files=_FILES, removed=st.integers(0, 3))
def test_each_entry_is_found_and_no_other(files: Files, removed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        written(directory, files)
        for path in journal_files(directory)[:-1][:removed]:
            path.unlink()
        scanned = {each.sequence: each for each in read_entries(directory, keys=KEYS)}
        last = max(scanned)
        for sequence in range(last + 3):
            assert find_record(directory, sequence, KEYS) == scanned.get(sequence)


@examples(60)
@given(files=_FILES, damage=damages(), sequence=st.integers(0, 250))
def test_damage_never_leads_to_another_entry(
    files: Files, damage: tuple[int, str, float, float, bytes], sequence: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        written(directory, files)
        entries = {each.sequence: each for each in read_entries(directory, keys=KEYS)}
        paths = journal_files(directory)
        number = damage[0] % len(paths)
        whole = paths[number].read_bytes()
        paths[number].write_bytes(damaged(whole, *damage[1:])[0])
        for each in {sequence, 1 + sequence % len(entries)}:
            found, scanned = told(directory, each), told_by_scan(directory, each)
            assert found == scanned
            if not isinstance(found, str):
                assert found in (None, entries.get(each))


def told(directory: Path, sequence: int) -> object:
    try:
        return find_record(directory, sequence, KEYS)
    except JournalError as error:
        return type(error).__name__


def told_by_scan(directory: Path, sequence: int) -> object:
    """Returns what looking at every record leads to."""
    real = JournalFile.find
    JournalFile.find = lambda *_: None  # type: ignore[method-assign]
    try:
        return told(directory, sequence)
    finally:
        JournalFile.find = real  # type: ignore[method-assign]


@examples(30)
@given(count=st.integers(1, 80), sequence=st.integers(0, 90))
def test_files_of_revision_1_are_looked_up_too(count: int, sequence: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_revision_1(directory, 1, *(b"%d" % number for number in range(count)))
        found = find_record(directory, sequence)
        assert (found.sequence if found else None) == (sequence if 1 <= sequence <= count else None)


def test_few_records_are_read_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_NEAR_BYTES", 64 << 10)
    for keys in (None, KEYS):
        assert looked_at(tmp_path / str(keys is None), keys, monkeypatch) < 12 + 400


def looked_at(directory: Path, keys: KeyRing | None, monkeypatch: pytest.MonkeyPatch) -> int:
    writer = JournalFileWriter(directory, keys=keys)
    append(writer, [entry(bytes(200)) for _ in range(50_000)])
    writer.close()
    calls = 0
    real = JournalFile._read

    def counted(file: JournalFile, offset: int) -> records.Record | str:
        nonlocal calls
        calls += 1
        return real(file, offset)

    with monkeypatch.context() as patched:
        patched.setattr(JournalFile, "_read", counted)
        found = find_record(directory, 37_123, keys)
    assert found is not None
    assert found.sequence == 37_123
    return calls
