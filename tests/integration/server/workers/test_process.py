from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from kuntur.journal.exchanges import read_exchanges
from kuntur.journal.file import journal_files, read_entries
from server.app import ServerApp
from server.cli.app import app
from tests.support.bundles import FEATURES, endless_model, publish, publish_model
from tests.support.journals import flip, write
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import (
    frame,
    settings_for,
    shared_trial,
    stubs_for,
    transaction,
    unary,
    wait_until,
)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    publish(tmp_path / "registry", "m-1")
    with ServerProcess(
        "--registry", str(tmp_path / "registry"), "--journal", str(tmp_path / "journal")
    ) as started:
        yield started


@pytest.fixture(scope="module")
def lasting() -> Iterator[ServerProcess]:
    """A server that no test ends or changes: a start takes seconds."""
    with ServerProcess("--registry", "nowhere") as started:
        assert started.address
        yield started


def test_a_signal_drains_the_server_and_every_answered_call_is_in_the_journal(
    process: ServerProcess, tmp_path: Path
) -> None:
    answered: set[str] = set()
    with stubs_for(process.address) as stubs:
        wait_until(lambda: stubs.health_of() == "SERVING")
        calls = [
            (f"t-{i}", stubs.scoring.ScoreTransaction.future(unary(transaction(f"t-{i}")))) for i in range(50)
        ]
        calls[0][1].result()
        code = process.end(signal.SIGTERM)
        for transaction_id, call in calls:
            if call.exception() is None:
                assert call.result().score.transaction_id == transaction_id
                answered.add(transaction_id)
    assert code == 0
    assert answered
    journal = {each.request for each in read_exchanges(tmp_path / "journal") if each.response}
    assert {unary(transaction(name)).SerializeToString() for name in answered} <= journal
    assert any("server stopped" in line for line in process.lines)
    _assert_private(tmp_path / "journal")


def _assert_private(journal: Path) -> None:
    """Checks that what a server wrote is for its own account alone."""
    modes = {path: path.stat().st_mode & 0o777 for path in (journal, *journal.rglob("*"))}
    assert len(modes) > 1
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_a_start_whose_live_model_never_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    publish_model(tmp_path, "m-1", endless_model(len(FEATURES)))
    monkeypatch.setenv("KUNTUR_SERVER_MODELS__TRIAL_S", "3600")

    def tries(server: ServerProcess) -> bool:
        for child in psutil.Process(server.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "server.trial.child" in child.cmdline():
                    return True
        return False

    with ServerProcess("--registry", str(tmp_path), workers=workers) as server:
        wait_until(lambda: tries(server))
        assert server.end() == 0
    assert server.wrote("server stopped")
    assert not server.wrote("bundle refused")


def test_what_takes_its_time_at_the_start_is_said_before(lasting: ServerProcess) -> None:
    told = [
        next(number for number, line in enumerate(lasting.lines) if said in line)
        for said in (
            "server starts",
            "preparing the compiled code",
            "looking for a live model",
            "server started",
        )
    ]
    assert told == sorted(told)


def test_a_flipped_bit_in_the_journal_refuses_the_start_until_it_is_repaired(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    requests = [frame(transaction(name)).SerializeToString() for name in "abc"]
    write(journal, *requests)
    flip(journal_files(journal)[0], 8 * 43)  # the highest byte of the first length
    arguments = ("--registry", "nowhere", "--journal", str(journal))
    with ServerProcess(*arguments) as refused:
        assert refused.wait() == 2
    assert refused.wrote(str(journal_files(journal)[0]), "2 valid records follow", "journal repair")
    repaired = CliRunner().invoke(app, ["journal", "repair", str(journal)])
    assert repaired.exit_code == 0
    assert "entry 1 is lost" in repaired.stdout
    with ServerProcess(*arguments) as again:
        assert again.address
        assert again.end() == 0
    assert [entry.backfill.request for entry in read_entries(journal)] == requests[1:]


def test_a_crash_leaves_no_core_dump_unless_that_is_wanted(lasting: ServerProcess) -> None:
    assert _core_limit(lasting.pid) == "0"
    # The kernel gives what is not dumpable to root: another process of the account cannot read its memory.
    assert Path(f"/proc/{lasting.pid}/mem").stat().st_uid == 0
    with ServerProcess("--registry", "nowhere", core_dumps=True) as dumping:
        assert dumping.address
        assert _core_limit(dumping.pid) == _core_limit(os.getpid())


def _core_limit(pid: int) -> str:
    """Returns the limit in force for the size of a core dump."""
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4] for line in limits if line.startswith("Max core file size"))


@pytest.mark.parametrize("address", ["[::1]:0", "localhost:0", "unix:{folder}/kuntur.sock"])
def test_each_form_of_address_is_served(tmp_path: Path, address: str) -> None:
    publish(tmp_path / "registry", "m-1")
    listen = address.format(folder=tmp_path)
    settings = settings_for(tmp_path / "registry", listen_address=listen)
    with ServerApp(settings, trial=shared_trial()) as server:
        of_clients = listen if listen.startswith("unix:") else listen.removesuffix("0") + str(server.port)
        with stubs_for(of_clients) as stubs:
            wait_until(lambda: stubs.health_of() == "SERVING")


def test_an_address_without_a_port_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with ServerProcess("--registry", str(tmp_path / "registry"), listen="127.0.0.1") as refused:
        assert refused.wait() == 2
    assert "listen_address: should be HOST:PORT" in refused.lines[-1]
    assert not refused.wrote("Traceback")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_signal_in_the_moment_of_the_start_drains_too(number: int) -> None:
    with ServerProcess("--registry", "nowhere") as process:
        assert process.address  # known as soon as the server says that it started
        assert process.end(number) == 0
    assert any("server stopped" in line for line in process.lines)


def test_a_second_signal_does_not_cut_the_draining_short(process: ServerProcess) -> None:
    with stubs_for(process.address) as stubs:
        wait_until(lambda: stubs.health_of() == "SERVING")
        stream = stubs.scoring.ScoreStream(iter([]))
        assert list(stream) == []
    process.send(signal.SIGHUP)
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


def test_an_occupied_port_ends_the_start_with_an_explanation(lasting: ServerProcess) -> None:
    command = [sys.executable, "-m", "server", "serve", "--listen", lasting.address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[4])
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
