"""`kuntur-server journal keygen`: private, named as notes can hold it, never written over."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from kuntur.transparency.notes.key_files import read_key
from kuntur.transparency.notes.keys import KeyKind, VerifierKey
from server.cli.app import app


def keygen(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["journal", "keygen", *map(str, arguments)])


def test_a_key_is_made_and_its_line_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "2026.key"
    done = keygen("bank.example/journal", path)
    assert done.exit_code == 0
    key = VerifierKey.parse(done.stdout.strip())
    assert (key.name, key.kind) == ("bank.example/journal", KeyKind.LOG)
    assert read_key(path).verifier == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "PRIVATE" not in done.output


def test_a_witness_gets_a_key_of_its_kind(tmp_path: Path) -> None:
    done = keygen("--witness", "supervisor.example/witness", tmp_path / "w.key")
    assert VerifierKey.parse(done.stdout.strip()).kind is KeyKind.WITNESS


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "one.key"
    keygen("bank.example/journal", path)
    before = path.read_bytes()
    done = keygen("bank.example/journal", path)
    assert done.exit_code == 2
    assert str(path) in done.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "file"), [("two words", "a.key"), ("a+b", "a.key"), ("", "a.key"), ("a", "a")]
)
def test_a_key_that_nothing_could_read_is_not_made(tmp_path: Path, name: str, file: str) -> None:
    assert keygen(name, tmp_path / file).exit_code == 2
    assert not list(tmp_path.iterdir())
