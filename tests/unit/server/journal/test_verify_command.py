"""`kuntur-server journal verify`: its words, its JSON and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from kuntur.transparency.notes.keys import KeyKind
from server.cli import progress
from server.cli.app import app
from tests.support.journals import flip
from tests.support.signed_journals import KEY, SignedJournal
from tests.support.transparency import signing_key


@pytest.fixture
def journal(tmp_path: Path) -> SignedJournal:
    journal = SignedJournal(tmp_path)
    journal.grow(30, 20)
    journal.sign()
    return journal


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["journal", "verify", *map(str, arguments)])


def test_a_journal_that_holds_ends_with_0_and_says_by_what(journal: SignedJournal) -> None:
    journal.grow(2)
    done = run(journal.directory, "--key", KEY.verifier, "--checkpoint", journal.second)
    assert done.exit_code == 0
    name = f"bank.example/journal ({KEY.verifier.key_id.hex()})"
    assert f"{journal.second}/checkpoint: 50 entries, signed by {name}" in done.stdout
    assert "2 entries are not signed yet" in done.stdout
    assert "52 entries, " in done.stdout
    assert done.stdout.endswith("The journal is what was signed: entries 1 to 50.\n")


def test_one_that_does_not_ends_with_1_and_names_the_entry(journal: SignedJournal) -> None:
    journal.remove_entry(33)
    done = run(journal.directory, "--key", KEY.verifier)
    assert done.exit_code == 1
    assert "WRONG: " in done.stdout
    assert "entry 33, written 2026-" in done.stdout
    assert done.stdout.endswith("The journal is NOT what was signed.\n")


def test_json_tells_the_same(journal: SignedJournal) -> None:
    done = run(journal.directory, "--key", KEY.verifier, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (found["holds"], found["first"], found["last"], found["signed"]) == (True, 1, 50, 50)
    assert found["checkpoints"][0]["entries"] == 50
    flip(journal.files[0], 8 * 60)
    done = run(journal.directory, "--key", KEY.verifier, "--json")
    assert done.exit_code == 1
    [finding] = json.loads(done.stdout)["findings"]
    assert finding["file"] == str(journal.files[0])
    assert (finding["offset"], finding["sequence"]) == (32, 1)


def test_keys_may_be_in_files(journal: SignedJournal, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text(f"# of the bank\n{signing_key(2).verifier}\n{KEY.verifier}\n")
    assert run(journal.directory, "--key", keys).exit_code == 0
    witness = signing_key(9, KeyKind.WITNESS).verifier
    done = run(journal.directory, "--key", keys, "--witness", witness)
    assert (done.exit_code, "no checkpoint is cosigned" in done.stdout) == (1, True)


def test_a_part_is_verified_from_an_entry_on_and_gone_on_with(journal: SignedJournal, tmp_path: Path) -> None:
    journal.files[0].unlink()
    arguments = [journal.directory, "--key", KEY.verifier, "--from", 31]
    assert run(*arguments, "--state", tmp_path / "state").exit_code == 0
    done = run(*arguments, "--state", tmp_path / "state")
    assert "entries up to 50 were verified before, and not read again" in done.stdout
    assert run(*arguments[:-1], 30).exit_code == 1


def test_without_the_tree_the_second_place_vouches(journal: SignedJournal) -> None:
    tree = shutil.move(journal.log, journal.root / "tree")
    assert run(journal.directory, "--key", KEY.verifier).exit_code == 2
    for more in (("--checkpoint", journal.second), ("--log", tree)):
        assert run(journal.directory, "--key", KEY.verifier, *more).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "no verifier key: name one with --key"),
        (("--key", "nonsense+x+y"), "not Base64"),
        (("--key", "nowhere.txt"), "No such file"),
        (("--key", str(KEY.verifier), "--from", "99"), "to begin with entry 99 takes the tiles"),
    ],
)
def test_what_cannot_be_carried_out_ends_with_2(
    journal: SignedJournal, arguments: tuple[str, ...], reason: str
) -> None:
    done = run(journal.directory, *arguments)
    assert done.exit_code == 2
    assert reason in done.stderr
    assert done.stdout == ""


def test_a_directory_that_is_not_there_ends_with_2(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere", "--key", KEY.verifier)
    assert (done.exit_code, "there is no such directory" in done.stderr) == (2, True)


def test_progress_is_on_standard_error(journal: SignedJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_TOLD_S", 0.0)
    done = run(journal.directory, "--key", KEY.verifier, "--json")
    assert json.loads(done.stdout)["holds"]
    assert "100% of 0 MB, 0 s left" in done.stderr
