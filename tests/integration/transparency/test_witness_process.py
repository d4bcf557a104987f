"""`kuntur-server witness` as a process: over loopback, killed at once, and started again on what it saw."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kuntur.transparency.notes.checkpoint import open_checkpoint
from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.signing.witnesses import WitnessClient, WitnessError
from tests.support.transparency import grown, records, signed, signing_key

KEY = signing_key(9, KeyKind.WITNESS)
LOG = signing_key()


def command(folder: Path, **other: object) -> list[str]:
    options: dict[str, object] = {
        "listen": "127.0.0.1:0",
        "keys": folder / "keys",
        "logs": folder / "logs",
        "state": folder / "seen",
    }
    given = [part for name, value in (options | other).items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "server", "witness", *given]


class Process:
    """A witness; a context manager that leaves nothing running."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "server", "witness", "--listen", "127.0.0.1:0"]
        command += [
            "--keys",
            str(folder / "keys"),
            "--logs",
            str(folder / "logs"),
            "--state",
            str(folder / "seen"),
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        port = None
        for line in self.process.stderr:
            if (event := json.loads(line))["event"] == "witness started":
                port = event["port"]
                break
        assert port is not None
        self.client = WitnessClient(f"http://127.0.0.1:{port}", [KEY.verifier], 60)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_key(tmp_path / "keys" / "own.key", KEY)
    write_key(tmp_path / "of a log" / "1.key", LOG)
    (tmp_path / "logs").write_text(f"{LOG.verifier}\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("keys", "of a log", "is not a witness's"),
        ("logs", "nowhere", "No such file"),
        ("state", "logs", "logs"),
        ("listen", "unix:/run/witness", "HOST:PORT"),
        ("listen", "192.0.2.1:1", "assign"),
    ],
)
def test_a_witness_that_cannot_start_says_why(folder: Path, option: str, value: str, reason: str) -> None:
    given = value if option == "listen" else folder / value
    done = subprocess.run(command(folder, **{option: given}), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_killed_witness_cosigned_it_still_knows(folder: Path) -> None:
    tree = grown(folder / "tree", records(900))
    forked = grown(folder / "forked", records(901)[1:])

    def at(size: int, of=tree):
        return open_checkpoint(signed(of, size=size).encode(), [LOG.verifier])

    for size in (100, 256, 700):
        with Process(folder) as witness:
            assert witness.client.cosign(at(size), tree)
            with pytest.raises(WitnessError, match="cut or put back"):
                WitnessClient(witness.client.url, [KEY.verifier], 60).cosign(at(size - 1), tree)
            with pytest.raises(WitnessError, match="422"):
                witness.client.cosign(at(800, forked), forked)
    with Process(folder) as witness:
        assert witness.client.cosign(at(900), tree)
        witness.process.terminate()
        witness.process.communicate()
        assert witness.process.returncode == 0
