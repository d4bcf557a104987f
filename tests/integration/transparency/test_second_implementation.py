"""Go's golang.org/x/mod/sumdb reads Kuntur's logs, and Kuntur its notes and keys."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from kuntur.transparency.notes.keys import KeyKind, SigningKey, VerifierKey
from kuntur.transparency.notes.note import Note
from tests.support.programs.apt import installed, installed_program
from tests.support.transparency import grown, records, signed, signing_key

_SOURCES = Path("/usr/share/gocode")  # where Debian puts Go's packages
_PROGRAM = Path(__file__).parents[2] / "support" / "go" / "transparency.go"
SIZE = 66_000
INDEXES = (0, 255, 256, 700, 65_535, 65_536, SIZE - 1)
OLD_SIZES = (1, 255, 256, 257, 65_536, 65_999, SIZE)


@pytest.fixture(scope="module")
def go() -> Path:
    def packages() -> Path | None:
        found = _SOURCES / "src/golang.org/x/mod/sumdb"
        return found if found.is_dir() else None

    program = installed_program("golang-go", "go")
    if program is None or installed("golang-golang-x-mod-dev", packages) is None:
        pytest.skip("Go and its package golang.org/x/mod are not here and cannot be installed with apt")
    return program


def _line(hashes: Sequence[bytes]) -> str:
    return " ".join(base64.b64encode(each).decode() for each in hashes) + "\n"


def test_go_proves_the_same_by_the_same_hashes(go: Path, tmp_path: Path) -> None:
    log, witness = signing_key(), signing_key(9, KeyKind.WITNESS)
    folder = tmp_path / "log"
    tree = grown(folder, records(SIZE))
    note = signed(tree).signed([witness], 1_700_000_000)
    (folder / "checkpoint").write_bytes(note.encode())
    (folder / "key").write_text(str(log.verifier), "utf-8")
    (folder / "private").write_text(log.private_text(), "utf-8")
    (folder / "witness").write_text(str(witness.verifier), "utf-8")
    pairs = list(zip(INDEXES, OLD_SIZES, strict=True))
    (folder / "asked").write_text("".join(f"{index} {old}\n" for index, old in pairs), "utf-8")
    proofs = "".join(_line(tree.inclusion(index)) + _line(tree.consistency(old)) for index, old in pairs)
    (folder / "proofs").write_text(proofs, "utf-8")
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": str(_SOURCES),
        "GOCACHE": str(tmp_path / "cache"),
        "GOFLAGS": "",
    }
    done = subprocess.run(
        [go, "run", _PROGRAM, folder], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    private, public, answered = done.stdout.split("\n", 2)
    key = VerifierKey.parse(public)
    assert SigningKey.parse(private).verifier == key
    answer = Note.parse(answered.encode())
    assert answer.text == note.text
    assert set(answer.verified([key, log.verifier])) == {key, log.verifier}
    # Ed25519 is deterministic: the same key gives the same signature in both.
    assert str(note.signatures[0]) in answered
