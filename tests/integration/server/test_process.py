from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuntur.journal_file import read_entries
from tests.support.bundles import publish
from tests.support.serving import stubs_for, transaction, unary, wait_until


class Process:
    """`kuntur-server serve` as a process of its own, of one worker unless told otherwise."""

    def __init__(self, *arguments: str, workers: int = 1) -> None:
        command = [sys.executable, "-m", "server", "serve", "--listen", "127.0.0.1:0"]
        command += ["--workers", str(workers), *arguments]
        environment = os.environ | {
            "KUNTUR_SERVER_LOG__FORMAT": "json",
            "KUNTUR_SERVER_MODELS__POLL_INTERVAL_S": "0.05",
        }
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def address(self) -> str:
        wait_until(lambda: self._port() is not None)
        return f"127.0.0.1:{self._port()}"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and gives the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join()
        return code

    def _port(self) -> str | None:
        found = re.search(r'"port": (\d+)', "\n".join(self.lines))
        return found.group(1) if found else None

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    publish(tmp_path / "registry", "m-1")
    started = Process("--registry", str(tmp_path / "registry"), "--journal", str(tmp_path / "journal"))
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_server_and_every_answered_call_is_in_the_journal(
    process: Process, tmp_path: Path, number: int
) -> None:
    answered: set[str] = set()
    with stubs_for(process.address) as stubs:
        wait_until(lambda: stubs.health_of() == "SERVING")
        calls = [
            (f"t-{i}", stubs.scoring.ScoreTransaction.future(unary(transaction(f"t-{i}")))) for i in range(50)
        ]
        calls[0][1].result()
        code = process.end(number)
        for transaction_id, call in calls:
            if call.exception() is None:
                assert call.result().score.transaction_id == transaction_id
                answered.add(transaction_id)
    assert code == 0
    assert answered
    journal = {entry.score_transaction.request for entry in read_entries(tmp_path / "journal")}
    assert {unary(transaction(name)).SerializeToString() for name in answered} <= journal
    assert any("server stopped" in line for line in process.lines)


def test_a_signal_in_the_moment_of_the_start_drains_too(process: Process) -> None:
    assert process.address  # known as soon as the server says that it started
    assert process.end() == 0
    assert any("server stopped" in line for line in process.lines)


def test_a_second_signal_does_not_cut_the_draining_short(process: Process) -> None:
    with stubs_for(process.address) as stubs:
        wait_until(lambda: stubs.health_of() == "SERVING")
        stream = stubs.scoring.ScoreStream(iter([]))
        assert list(stream) == []
    process.process.send_signal(signal.SIGTERM)
    wait_until(lambda: any("server stops" in line for line in process.lines))
    assert process.end() == 0
    assert any("server stopped" in line for line in process.lines)


def test_an_occupied_port_of_the_metrics_ends_the_start_with_an_explanation(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "server", "serve", "--listen", "127.0.0.1:0", "--metrics-port"]
        done = subprocess.run(
            [*command, str(taken.getsockname()[1])], capture_output=True, text=True, check=False, cwd=tmp_path
        )
    assert done.returncode == 2
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_occupied_port_ends_the_start_with_an_explanation(process: Process, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", "serve", "--listen", process.address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 2
    assert "cannot listen on" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_ends_the_start_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_text("[limits]\nmax_strems = 3\n")
    command = [sys.executable, "-m", "server", "serve", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean 'limits.max_streams'" in done.stderr
