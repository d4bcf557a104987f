"""One decision of the demonstration, proved: its evidence, and what the shipped verifier says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

from demo import programs


@dataclass(frozen=True, slots=True)
class Proof:
    """The page, and what the verifier said of the evidence, and of a copy with one bit changed."""

    page: Path
    yes: str
    no: str


def journal_key(keys: Path) -> str:
    """Makes the key that signs the journal, in a folder of its own, and returns the line that verifies it."""
    keys.mkdir(mode=0o700)
    return programs.said("kuntur-server", "journal", "keygen", "demo.example/journal", keys / "1.key")


def proved(wanted: tuple[str, str], journal: Path, registry: Path, key: str, folder: Path) -> Proof:
    """Makes evidence and has it verified as by somebody who has nothing but two files and the key.

    wanted: institution and id of a transaction. Raises StepFailedError where the evidence is not made, is not
    found to be good, or a changed copy is.
    """
    programs.run(
        "kuntur-server", "evidence", *wanted, "--journal", journal, "--registry", registry,
        "--key", key, "--out", folder,
    )  # fmt: skip
    (written,) = folder.glob("evidence-*.json")
    yes, code = _verified(folder, written, key)
    if code != 0:
        raise programs.StepFailedError(f"the verifier refuses {written}: {yes}")
    changed = folder / "changed.json"
    changed.touch(mode=0o600)
    changed.write_text(json.dumps(_changed(json.loads(written.read_text("utf-8")))), encoding="utf-8")
    no, code = _verified(folder, changed, key)
    if code == 0:
        raise programs.StepFailedError(f"the verifier takes {changed}, which was changed: {no}")
    return Proof(written.with_suffix(".html"), yes, no)


def _verified(folder: Path, file: Path, key: str) -> tuple[str, int]:
    """Returns what the verifier says of a file, and its exit code."""
    command = [sys.executable, "-I", str(folder / "verify_evidence.py"), str(file), key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip(), done.returncode


def _changed(document: dict[str, object]) -> dict[str, object]:
    """Returns evidence with one bit of its first record changed, the last of its salt."""
    entries = document["entries"]
    assert isinstance(entries, list)  # noqa: S101  # what the program has just written
    record = bytearray(b64decode(entries[0]["record"]))
    record[-1] ^= 1
    entries[0]["record"] = b64encode(record).decode()
    return document
