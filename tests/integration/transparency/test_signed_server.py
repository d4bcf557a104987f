"""A server whose journal is signed: verified after load and every death; what is done to it is found."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kuntur.api.v1 import outcome_pb2, outcome_service_pb2
from kuntur.transparency.signing.places import CHECKPOINT, read_checkpoint
from tests.support.bundles import publish
from tests.support.journals import flip
from tests.support.programs.server_process import ServerProcess, children
from tests.support.serving import EVENT_TIME, Stubs, frame, stubs_for, transaction, unary, wait_until
from tests.support.signed_journals import KEY, SignedJournal, payloads

CALLS, FRAMES = 30, 10


class Bank:
    """A server that signs, on files of its own."""

    def __init__(self, root: Path, workers: int = 1) -> None:
        self.workers = workers
        self.journal = SignedJournal(root)
        self.sent = 0
        publish(root / "registry", "m-1")

    @contextmanager
    def running(self) -> Iterator[ServerProcess]:
        """Runs the server while the block lasts, and kills it then."""
        settings = {
            "signing__keys": str(self.journal.root / "keys"),
            "signing__interval_s": "0.05",
            "checkpoints": json.dumps([str(self.journal.second)]),
            "max_file_bytes": "4096",
            "sync_interval_s": "0.05",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(f"KUNTUR_SERVER_JOURNAL__{name.upper()}", value)
            arguments = ["--registry", str(self.journal.root / "registry")]
            arguments += ["--journal", str(self.journal.directory)]
            process = ServerProcess(*arguments, workers=self.workers)
        with process:
            yield process

    def call(self, process: ServerProcess) -> None:
        """Sends calls, frames and a report."""
        with stubs_for(process.address) as stubs:
            wait_until(lambda: stubs.health_of() == "SERVING")
            self.load(stubs)

    def load(self, stubs: Stubs) -> None:
        names = iter(range(self.sent, self.sent + 10_000))
        self.sent += 10_000
        calls = [
            stubs.scoring.ScoreTransaction.future(unary(transaction(f"t-{next(names)}")))
            for _ in range(CALLS)
        ]
        frames = [frame(*(transaction(f"t-{next(names)}") for _ in range(8))) for _ in range(FRAMES)]
        assert len(list(stubs.scoring.ScoreStream(iter(frames)))) == FRAMES
        assert all(call.result().score for call in calls)
        outcome = outcome_pb2.Outcome(transaction_id=f"t-{self.sent - 10_000}")
        outcome.label = outcome_pb2.OUTCOME_LABEL_FRAUD
        outcome.reported_time.FromDatetime(EVENT_TIME)
        stubs.outcomes.ReportOutcomes(outcome_service_pb2.ReportOutcomesRequest(outcomes=[outcome]))

    @property
    def signed(self) -> int:
        """Entries that the newest checkpoint is over."""
        found = read_checkpoint(self.journal.log / CHECKPOINT, [KEY.verifier])
        return 0 if found is None else found.checkpoint.size

    @property
    def entries(self) -> int:
        return sum(len(payloads(path)) for path in self.journal.files)

    def verify(self, *more: object) -> tuple[int, dict[str, Any]]:
        """Returns exit code and findings of the command."""
        command = [sys.executable, "-m", "server", "journal", "verify", str(self.journal.directory), "--json"]
        command += ["--key", str(KEY.verifier), "--checkpoint", str(self.journal.second), *map(str, more)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def assert_whole(self) -> None:
        """Fails unless all entries are signed and hold."""
        code, report = self.verify()
        assert (code, report["findings"]) == (0, [])
        assert report["last"] == report["signed"] == self.entries > 0


def signer_of(process: ServerProcess) -> int:
    """Waits for the signing process of a server, and returns its number."""
    found: list[int] = []

    def look() -> bool:
        for pid in children(process.pid):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"signer" in words:
                found.append(pid)
        return bool(found)

    wait_until(look)
    return found[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_all_that_was_answered_is_signed_when_a_server_has_ended(tmp_path: Path, workers: int) -> None:
    bank = Bank(tmp_path, workers)
    with bank.running() as process:
        bank.call(process)
        wait_until(lambda: bank.signed > 0)
        bank.call(process)
        assert bank.verify()[0] == 0  # beside the running server
        assert process.end() == 0
    assert not process.wrote("critical")
    bank.assert_whole()
    with bank.running() as process:
        bank.call(process)
        assert process.end() == 0
    bank.assert_whole()
    for path in (bank.journal.log, bank.journal.second):
        assert path.stat().st_mode & 0o777 == 0o700
        assert (path / CHECKPOINT).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_signer_and_a_killed_server_contradict_nothing(tmp_path: Path, workers: int) -> None:
    bank = Bank(tmp_path, workers)
    for _ in range(2):
        with bank.running() as process:
            bank.call(process)
            before = bank.signed
            os.kill(signer_of(process), signal.SIGKILL)
            bank.call(process)
            wait_until(lambda before=before: bank.signed > before)
            assert process.wrote("the process that signs the journal ended", "is started again")
            signer = signer_of(process)
            bank.call(process)
            process.send(signal.SIGKILL)
            process.wait()
        wait_until(lambda signer=signer: not Path(f"/proc/{signer}").exists())
    with bank.running() as process:
        bank.call(process)
        assert process.end() == 0
    assert not process.wrote("critical")
    bank.assert_whole()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """What a server of two workers left, and an older copy of the journal beside it."""
    bank = Bank(tmp_path_factory.mktemp("served"), workers=2)
    with bank.running() as process:
        bank.call(process)
        assert process.end() == 0
    bank.journal.copy(bank.journal.root / "older")
    with bank.running() as process:
        bank.call(process)
        bank.call(process)
        assert process.end() == 0
    bank.assert_whole()
    assert len(bank.journal.files) > 4
    return bank


def _swap(journal: SignedJournal) -> None:
    first, second = journal.files[1], journal.files[2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def _cut(journal: SignedJournal) -> None:
    path = journal.files[-1]
    last = 20 + len(payloads(path)[-1])
    path.write_bytes(path.read_bytes()[:-last])


DONE: dict[str, tuple[Callable[[SignedJournal], object], str]] = {
    "an entry removed": (lambda journal: journal.remove_entry(7), "is not the entry that was signed"),
    "the tail cut": (_cut, "cut off, or an old copy was put back"),
    "the last file dropped": (lambda journal: journal.files[-1].unlink(), "cut off, or an old copy"),
    "a file dropped": (lambda journal: journal.files[2].unlink(), "missing in front of this file"),
    "two files swapped": (_swap, "stands where entry"),
    "a bit flipped": (lambda journal: flip(journal.files[1], 8 * 300), "a record"),
    "an old copy put back": (
        lambda journal: journal.put_back(journal.root / "older"),
        "the journal ends with entry",
    ),
}


@pytest.mark.parametrize("what", DONE)
def test_what_was_done_to_the_journal_is_found(served: Bank, what: str) -> None:
    kept = served.journal.copy(served.journal.root / "kept")
    do, words = DONE[what]
    try:
        do(served.journal)
        code, report = served.verify()
        assert code == 1
        assert words in report["findings"][0]["what"]
        if words.startswith("is not"):
            assert (report["findings"][0]["sequence"], report["findings"][0]["written_time"] is None) == (
                7,
                False,
            )
    finally:
        served.journal.put_back(kept)
        shutil.rmtree(kept)


def test_a_server_on_a_journal_that_was_cut_serves_and_says_so_and_signs_nothing(
    served: Bank, tmp_path: Path
) -> None:
    shutil.copytree(served.journal.root, tmp_path, dirs_exist_ok=True)
    bank = Bank.__new__(Bank)
    bank.workers, bank.sent = 1, 1_000_000
    bank.journal = SignedJournal(tmp_path, keys=())
    signed = bank.signed
    (bank.journal.directory / "buffer.kjb").unlink(missing_ok=True)
    bank.journal.files[-1].unlink()
    with bank.running() as process:
        bank.call(process)
        wait_until(lambda: process.wrote("critical", "NOTHING OF THE JOURNAL IS SIGNED"))
        with stubs_for(process.address) as stubs:
            assert stubs.health_of() == "SERVING"
        assert process.end() == 0
    assert bank.signed == signed
    code, report = bank.verify()
    assert code == 1
    assert report["findings"]
