"""A process that signs and is killed at any moment: what it signed stands, and the next one goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kuntur.transparency.notes.checkpoint import Checkpoint
from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.signing.places import CHECKPOINT, read_checkpoint
from kuntur.transparency.tree.frontier import Frontier
from kuntur.transparency.tree.hashing import rows
from kuntur.transparency.tree.stored import StoredTree
from tests.support.serving import wait_until
from tests.support.transparency import signing_key

KEY = signing_key().verifier
KILLS = 12


class Log:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.random = np.random.default_rng(17)
        write_key(folder / "keys" / "1.key", signing_key())
        (folder / "leaves").touch()

    @property
    def size(self) -> int:
        return (self.folder / "leaves").stat().st_size // 32

    def grow(self) -> None:
        with (self.folder / "leaves").open("ab") as file:
            file.write(self.random.bytes(32 * int(self.random.integers(1, 900))))

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.support.programs.signing", str(self.folder)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def signed(self, place: str) -> Checkpoint:
        found = read_checkpoint(self.folder / place / CHECKPOINT, [KEY])
        return Checkpoint("", 0, b"") if found is None else found.checkpoint

    def wait_beyond(self, size: int, process: subprocess.Popen[str]) -> int:
        """Waits until more entries are signed, or the process has ended; returns how many are signed."""
        wait_until(lambda: process.poll() is not None or self.signed("tree").size > size)
        return max(size, self.signed("tree").size)

    def check(self, last: int) -> int:
        """Holds what is signed against the journal, and returns how many entries that are."""
        newest = 0
        for place in ("tree", "elsewhere"):
            checkpoint = self.signed(place)
            assert checkpoint.size >= last
            frontier = Frontier()
            frontier.append(rows((self.folder / "leaves").read_bytes()[: 32 * checkpoint.size]))
            if checkpoint.size:
                assert checkpoint.root == frontier.root()
                StoredTree(self.folder / "tree", checkpoint.size, checkpoint.root)
            newest = max(newest, checkpoint.size)
        return newest


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_killed_signer_contradicts_nothing_that_it_signed(log: Log) -> None:
    last = 0
    for _ in range(KILLS):
        log.grow()
        process = log.start()
        try:
            for _ in range(int(log.random.integers(1, 5))):
                log.grow()
                last = log.wait_beyond(last, process)
            assert process.poll() is None
        finally:
            process.kill()
            process.communicate()
        last = log.check(last)
    log.grow()
    process = log.start()
    log.wait_beyond(log.size - 1, process)
    process.terminate()
    said, _ = process.communicate()
    assert said == ""
    assert process.returncode == 0
    assert log.check(last) == log.size
