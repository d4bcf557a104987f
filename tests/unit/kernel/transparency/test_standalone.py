"""The verifier that goes with evidence: alone, short, and of the same opinion as Kuntur."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.standalone import VERIFIER
from kuntur.transparency.standalone.verify_evidence import verify
from tests.support.transparency import evidence, grown, records, signed, signing_key

SIZE = 300
KEY_ID = signing_key().verifier.key_id.hex()
KEY, WITNESS = signing_key(), signing_key(9, KeyKind.WITNESS)


def ran(cwd: Path, *arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "verify_evidence.py", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder with the verifier alone and evidence of entry 123."""
    tree = grown(tmp_path / "log", records(SIZE))
    note = signed(tree).signed([WITNESS], 1_700_000_000)
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "verify_evidence.py").write_bytes(VERIFIER.read_bytes())
    (folder / "evidence.json").write_text(json.dumps(evidence(tree, 123, records(SIZE)[123], note)), "utf-8")
    return folder


def test_it_is_short_and_imports_nothing_of_ours() -> None:
    text = VERIFIER.read_text("utf-8")
    assert len(text.splitlines()) <= 60
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"json", "sys", "base64", "hashlib", "pathlib", "cryptography"}


def test_it_says_yes_to_evidence_that_holds(given: Path) -> None:
    code, said = ran(given, "evidence.json", KEY.verifier)
    assert (code, said) == (
        0,
        "yes: 123 of bank.example/journal's 300 entries, counted from 0\n",
    )
    assert ran(given, "evidence.json", KEY.verifier, WITNESS.verifier)[0] == 0


def changed(whole: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Returns evidence with some fields of it, or of its first entry, changed."""
    own = {name: value for name, value in fields.items() if name in whole}
    entry = whole["entries"][0] | {name: value for name, value in fields.items() if name not in whole}
    return whole | {"entries": [entry]} | own


def test_it_says_no_with_the_reason(given: Path) -> None:
    whole = json.loads((given / "evidence.json").read_text("utf-8"))
    key, path = KEY.verifier, whole["entries"][0]["path"]
    for fields, keys, reason in (
        ({"record": "b3RoZXI="}, [key], "does not lead from the record"),
        ({"index": 124}, [key], "does not lead from the record"),
        ({"index": 300}, [key], "none at 300"),
        ({"index": -1}, [key], "none at -1"),
        ({"path": path[:-1]}, [key], "does not lead"),
        ({"path": [*path, path[0]]}, [key], "not one of this log"),
        ({"path": ["AAAA"]}, [key], "not one of this log"),
        ({"checkpoint": whole["checkpoint"].replace("300", "301")}, [key], "InvalidSignature"),
        ({"record": whole["entries"][0]["record"] + "\n"}, [key], "not Base64"),
        ({"holds": ["b3RoZXI="]}, [key], "does not hold its part"),
        ({"entries": []}, [key], "KeyError"),
        ({"entries": [whole["entries"][0], {}]}, [key], "KeyError"),
        ({"checkpoint": None}, [key], "AttributeError"),
        ({}, [signing_key(2).verifier], "did not sign"),
        ({}, [signing_key(name="other.example/log").verifier], "the checkpoint is of"),
        ({}, [key, signing_key(8, KeyKind.WITNESS).verifier], "did not sign"),
        ({}, [WITNESS.verifier], "the checkpoint is of"),
        ({}, [key, key], "not of the kind"),
        ({}, [str(key).replace(KEY_ID, "00000000")], "is damaged"),
        ({}, ["no key"], "ValueError"),
    ):
        (given / "evidence.json").write_text(json.dumps(changed(whole, fields)), "utf-8")
        code, said = ran(given, "evidence.json", *keys)
        assert code == 1
        assert said.startswith("no: ")
        assert reason in said


def test_all_entries_have_to_hold(tmp_path: Path) -> None:
    tree = grown(tmp_path, records(40))
    one, other = (evidence(tree, place, records(40)[place], signed(tree)) for place in (13, 39))
    both = one | {"entries": one["entries"] + other["entries"]}
    assert holds(both, str(KEY.verifier))
    for entry in both["entries"]:
        entry["index"] ^= 1
        assert not holds(both, str(KEY.verifier))
        entry["index"] ^= 1


def test_it_says_how_it_is_used_and_what_is_not_there(given: Path) -> None:
    assert ran(given)[0] == ran(given, "evidence.json")[0] == 1
    assert "FILE KEY" in ran(given)[1]
    assert "FileNotFoundError" in ran(given, "nowhere.json", KEY.verifier)[1]


def holds(document: dict[str, Any], *keys: str) -> bool:
    try:
        verify(document, *keys)
    except (SystemExit, Exception):
        return False
    return True


def test_every_flipped_bit_of_the_evidence_is_found(tmp_path: Path) -> None:
    """Of the file, its keys and their signatures: what still reads as the same is all that passes."""
    tree = grown(tmp_path, records(40))
    whole = evidence(tree, 13, records(40)[13], signed(tree).signed([WITNESS], 1_700_000_000))
    keys = str(KEY.verifier), str(WITNESS.verifier)
    content = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
    assert holds(json.loads(content), *keys)
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            document = json.loads(flipped)
        except ValueError:
            continue
        assert document == whole or not holds(document, *keys), bit


def test_every_flipped_bit_of_a_key_is_found(tmp_path: Path) -> None:
    tree = grown(tmp_path, records(40))
    whole = evidence(tree, 13, records(40)[13], signed(tree).signed([WITNESS], 1_700_000_000))
    keys = [str(KEY.verifier).encode(), str(WITNESS.verifier).encode()]
    for place, key in enumerate(keys):
        for bit in range(8 * len(key)):
            flipped = bytearray(key)
            flipped[bit // 8] ^= 1 << bit % 8
            given = [*keys[:place], bytes(flipped), *keys[place + 1 :]]
            assert not holds(whole, *(each.decode(errors="replace") for each in given)), (place, bit)
