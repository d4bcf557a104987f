"""A flipped bit anywhere in a signed journal, its tree or its checkpoints is found, or changes nothing.

It changes nothing in what a verification does not lean on: partial tiles of earlier sizes, which nothing
reads any more, and signatures of keys that it does not know. All other bits are found.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.journal.proved.vouching import open_all
from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.notes.note import Note
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED
from tests.support.examples import examples
from tests.support.journals import flip
from tests.support.signed_journals import TIME_S, SignedJournal
from tests.support.transparency import signing_key

WITNESS = signing_key(9, KeyKind.WITNESS)
SIZES = (100, 160, 40)
SIZE = sum(SIZES)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> SignedJournal:
    """A journal that was signed three times, the last time by two keys, one of which is not given out."""
    journal = SignedJournal(tmp_path_factory.mktemp("signed"))
    for number, size in enumerate(SIZES):
        if number == 2:
            write_key(journal.root / "keys" / "next.key", signing_key(2))
        journal.grow(size)
        journal.sign()
    note = Note.parse((journal.log / CHECKPOINT).read_bytes()).signed([WITNESS], TIME_S)
    (journal.log / WITNESSED).write_bytes(note.encode())
    return journal


@pytest.fixture(scope="module")
def files(journal: SignedJournal) -> list[Path]:
    found = [path for path in sorted(journal.root.rglob("*")) if path.is_file() and path.stat().st_size]
    return [path for path in found if "keys" not in path.parts]


def is_leant_on(path: Path, content: bytes, byte: int) -> bool:
    """Tells whether a byte is of what a verification leans on."""
    if ".p" in path.parent.suffix:
        return (path.parent.name, path.name) in {("001.p", str(SIZE % 256)), ("000.p", "1")}
    if path.name in {CHECKPOINT, WITNESSED}:
        unknown = f"— {signing_key(2).verifier.name} ".encode()
        line = content[content.rindex(unknown) :].split(b"\n")[0] + b"\n"
        start = content.index(line)
        return not start <= byte < start + len(line)
    return True


def test_the_journal_holds_as_it_is(journal: SignedJournal) -> None:
    report = journal.verify(witnesses=[WITNESS.verifier])
    assert report.holds, [each.told() for each in report.findings]
    assert report.last == SIZE


@given(st.integers(0), st.integers(0))
@examples(1500)
def test_a_flipped_bit_is_found_or_changes_nothing(
    journal: SignedJournal, files: list[Path], which: int, where: int
) -> None:
    path = files[which % len(files)]
    content = path.read_bytes()
    bit = where % (8 * len(content))
    try:
        flip(path, bit)
        report = journal.verify(witnesses=[WITNESS.verifier])
        assert not (report.holds and is_leant_on(path, content, bit // 8))
        if path.suffix == ".kj":
            assert path.name == report.findings[0].file.name  # type: ignore[union-attr]
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("name", [CHECKPOINT, WITNESSED])
def test_every_bit_of_a_checkpoint_that_counts_does(journal: SignedJournal, name: str) -> None:
    path = journal.log / name
    content = path.read_bytes()
    lone = journal.root / "lone"
    shutil.rmtree(lone, ignore_errors=True)
    lone.mkdir()
    for bit in range(8 * len(content)):
        (lone / name).write_bytes(content)
        flip(lone / name, bit)
        witnesses = [WITNESS.verifier] if name == WITNESSED else []
        _, findings = open_all([lone / name], [signing_key().verifier], witnesses)
        assert bool(findings) or not is_leant_on(path, content, bit // 8)
    shutil.rmtree(lone)
