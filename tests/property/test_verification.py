"""A flipped bit anywhere in a signed journal, its tree or its checkpoints is found, or changes nothing.

It changes nothing in what a verification does not lean on: see tests.support.flipped.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.journal.proved.vouching import open_all
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED
from tests.support.examples import examples
from tests.support.flipped import SIZE, WITNESS, files_of, is_leant_on, signed_thrice
from tests.support.journals import flip
from tests.support.signed_journals import SignedJournal
from tests.support.transparency import signing_key


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> SignedJournal:
    return signed_thrice(tmp_path_factory.mktemp("signed"))


@pytest.fixture(scope="module")
def files(journal: SignedJournal) -> list[Path]:
    return files_of(journal)


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
