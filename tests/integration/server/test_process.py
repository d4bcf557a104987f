from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuntur.journal_file import read_entries
from tests.support.bundles import publish
from tests.support.server_process import ServerProcess
from tests.support.serving import stubs_for, transaction, unary, wait_until


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    publish(tmp_path / "registry", "m-1")
    with ServerProcess(
        "--registry", str(tmp_path / "registry"), "--journal", str(tmp_path / "journal")
    ) as started:
        yield started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_server_and_every_answered_call_is_in_the_journal(
    process: ServerProcess, tmp_path: Path, number: int
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


def test_a_signal_in_the_moment_of_the_start_drains_too(process: ServerProcess) -> None:
    assert process.address  # known as soon as the server says that it started
    assert process.end() == 0
    assert any("server stopped" in line for line in process.lines)


def test_a_second_signal_does_not_cut_the_draining_short(process: ServerProcess) -> None:
    with stubs_for(process.address) as stubs:
        wait_until(lambda: stubs.health_of() == "SERVING")
        stream = stubs.scoring.ScoreStream(iter([]))
        assert list(stream) == []
    process.send(signal.SIGTERM)
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


def test_an_occupied_port_ends_the_start_with_an_explanation(process: ServerProcess, tmp_path: Path) -> None:
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
