from __future__ import annotations

import os
import random
import re
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import numpy as np
import pytest

from kuntur.api.v1 import scoring_service_pb2, transaction_pb2
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.journal.file import JournalFileWriter
from kuntur.journal.workers import journal_parts, read_server_journal
from kuntur.transaction import TransactionBatch
from kuntur.wire import TransactionReader
from server.state import Region, RegionHistory, RegionSizes
from server.telemetry.catalogue import CATALOGUE
from tests.support.bundles import publish
from tests.support.programs.server_process import ServerProcess, children
from tests.support.serving import EVENT_TIME, Stubs, stubs_for, transaction, unary, wait_until

_SIZES = RegionSizes(accounts=256, merchants=256, devices=256, categories=256, recent_transactions=4096)
_CALLERS, _EACH = 3, 120
_KILLS_AFTER = (40, 110, 180, 250)


@pytest.fixture
def metrics_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def process(tmp_path: Path, metrics_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerProcess]:
    publish(tmp_path / "registry", "m-1")
    monkeypatch.setenv("KUNTUR_SERVER_HISTORY__PATH", str(tmp_path / "history"))
    monkeypatch.setenv("KUNTUR_SERVER_HISTORY__RECENT_TRANSACTIONS", str(_SIZES.recent_transactions))
    for kind in ("accounts", "merchants", "devices", "categories"):
        monkeypatch.setenv(f"KUNTUR_SERVER_HISTORY__MAX_{kind.upper()}", "256")
    with ServerProcess(
        "--registry", str(tmp_path / "registry"),
        "--journal", str(tmp_path / "journal"),
        "--metrics-port", str(metrics_port),
        workers=2,
    ) as started:  # fmt: skip
        yield started


def _transaction(caller: int, number: int) -> transaction_pb2.Transaction:
    """Each caller has accounts, merchants and devices of its own, so that its order is the order of them."""
    rng = random.Random(f"{caller} {number}")
    second = number * 40 + rng.randrange(40)
    return transaction(
        f"t-{caller}-{number}",
        event_time=EVENT_TIME.replace(hour=second // 3600, minute=second // 60 % 60, second=second % 60),
        account_id=f"a-{caller}-{rng.randrange(3)}",
        merchant_id=f"m-{caller}-{rng.randrange(3)}",
        merchant_category_code=f"{5000 + caller}",
        device_id=f"d-{caller}-{rng.randrange(2)}",
        amount_minor=rng.randrange(100, 900_000),
    )


def _score(stubs: list[Stubs], number: int, message: transaction_pb2.Transaction) -> None:
    """Calls over one of the connections, and again over the next when its worker died."""
    for attempt in range(20):  # far more than connections that a kill ends
        try:
            answer = stubs[(number + attempt) % len(stubs)].scoring.ScoreTransaction(
                unary(message), wait_for_ready=True, timeout=60
            )
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            continue
        assert answer.score.transaction_id == message.transaction_id
        return
    pytest.fail("no worker answered")


def _batch(messages: list[transaction_pb2.Transaction]) -> TransactionBatch:
    raw = scoring_service_pb2.ScoreStreamRequest(transactions=messages).SerializeToString()
    reader = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY))
    reading = reader.read_request(raw, 2**62, len(messages))
    assert not reading.violations
    return reading.batch


def test_two_workers_killed_at_random_keep_the_history_of_one(process: ServerProcess, tmp_path: Path) -> None:
    answered = threading.Semaphore(0)
    rng = random.Random(20)
    failures: list[BaseException] = []

    def call(caller: int, stubs: list[Stubs]) -> None:
        try:
            for number in range(_EACH):
                _score(stubs, number, _transaction(caller, number))
                answered.release()
        except BaseException as error:
            failures.append(error)
            raise

    with ExitStack() as open_channels:
        stubs = [open_channels.enter_context(stubs_for(process.address)) for _ in range(6)]
        wait_until(lambda: process.wrote("server started", '"workers"'))
        for one in stubs:
            wait_until(lambda one=one: one.health_of() == "SERVING")
        callers = [threading.Thread(target=call, args=(caller, stubs)) for caller in range(_CALLERS)]
        for thread in callers:
            thread.start()
        done = 0
        for kill_after in _KILLS_AFTER:
            while done < kill_after and not failures:
                assert answered.acquire(timeout=120)
                done += 1
            os.kill(rng.choice(children(process.pid)), signal.SIGKILL)
        for thread in callers:
            thread.join()
    assert not failures
    assert process.end() == 0
    assert sum("worker died" in line for line in process.lines) >= 2
    assert len(journal_parts(tmp_path / "journal")) == 2  # both took part

    serial = RegionHistory(Region.private(_SIZES))
    for caller in range(_CALLERS):
        for number in range(_EACH):
            serial.score_features(_batch([_transaction(caller, number)]))
    region = Region.open(tmp_path / "history", _SIZES)
    try:
        shared = RegionHistory(region)
        assert shared.counts().entities == serial.counts().entities
        assert shared.counts().recent_transactions == _CALLERS * _EACH
        later = [_transaction(caller, _EACH + number) for caller in range(_CALLERS) for number in range(20)]
        found, expected = shared.score_features(_batch(later)), serial.score_features(_batch(later))
        np.testing.assert_array_equal(found, expected)
    finally:
        region.close()


def test_the_journals_of_the_workers_and_their_metrics_are_the_servers(
    process: ServerProcess, tmp_path: Path, metrics_port: int
) -> None:
    with ExitStack() as open_channels:
        stubs = [open_channels.enter_context(stubs_for(process.address)) for _ in range(8)]
        wait_until(lambda: process.wrote("server started", '"workers"'))
        for one in stubs:
            wait_until(lambda one=one: one.health_of() == "SERVING")
        names = [f"t-{number}" for number in range(40)]
        for number, name in enumerate(names):
            stubs[number % 8].scoring.ScoreTransaction(unary(transaction(name)))
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=60) as page:
            metrics = page.read().decode()
    assert process.end() == 0
    written = [entry.score_transaction.request for entry in read_server_journal(tmp_path / "journal")]
    assert written == [unary(transaction(name)).SerializeToString() for name in names]
    counted = [
        float(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("kuntur_request_seconds_count") and "ScoreTransaction" in line
    ]
    assert len(counted) == 2
    assert sum(counted) == len(names)
    exposed = set(re.findall(r"^# TYPE (\w+) ", metrics, re.MULTILINE))
    assert {name for name in exposed if not name.endswith("_created")} == {
        declared.exposed for declared in CATALOGUE
    }
    assert 'kuntur_entities{kind="account"} 1.0' in metrics
    assert "kuntur_recent_transactions 40.0" in metrics


def test_a_worker_that_hangs_is_replaced(process: ServerProcess, metrics_port: int) -> None:
    wait_until(lambda: process.wrote("server started", '"workers"'))
    stopped, other = sorted(children(process.pid))
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: process.wrote("worker gave no sign of life", '"stopped": true'))
    wait_until(lambda: len(workers := children(process.pid)) == 2 and stopped not in workers)
    assert other in children(process.pid)
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=60) as page:
        metrics = page.read().decode()
    assert "kuntur_workers_silent_total 1.0" in metrics
    assert "kuntur_workers_died_total 1.0" in metrics
    for _ in range(20):  # whichever worker the kernel gives a connection to
        with stubs_for(process.address) as stubs:
            assert stubs.scoring.ScoreTransaction(
                unary(transaction("t-1")), wait_for_ready=True, timeout=60
            ).score.transaction_id
    assert process.end() == 0


def test_a_worker_that_is_stopped_while_it_starts_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "registry", "m-1")
    monkeypatch.setenv("KUNTUR_SERVER_WORKER_SILENCE_S", "1")
    with ServerProcess("--registry", str(tmp_path / "registry"), workers=2) as starting:
        wait_until(lambda: len(children(starting.pid)) == 1)
        (stopped,) = children(starting.pid)
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: starting.wrote("worker gave no sign of life", '"stopped": true'))
        wait_until(lambda: starting.wrote("server started", '"workers"'))
        assert stopped not in children(starting.pid)
        assert starting.end() == 0


def test_workers_end_when_their_supervisor_is_killed(process: ServerProcess) -> None:
    with stubs_for(process.address) as stubs:
        wait_until(lambda: stubs.health_of() == "SERVING")
        wait_until(lambda: len(children(process.pid)) == 2)
        workers = children(process.pid)
        process.end(signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{worker}/exe").exists() for worker in workers))


def test_a_server_or_a_worker_that_cannot_start_says_why_and_ends_the_server(
    process: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until(lambda: process.wrote("server started", '"workers"'))
    registry = ("--registry", str(tmp_path / "registry"))
    same = (*registry, "--journal", str(tmp_path / "journal"))
    with ServerProcess(*same, workers=2) as of_its_history:
        assert of_its_history.wait() == 2
    assert of_its_history.wrote("history is in use by another server")
    monkeypatch.delenv("KUNTUR_SERVER_HISTORY__PATH")
    with ServerProcess(*same, workers=2) as of_its_journal:
        assert of_its_journal.wait() == 2
    assert of_its_journal.wrote("another server writes this journal")
    elsewhere = tmp_path / "elsewhere"
    with (
        closing(JournalFileWriter(elsewhere / "worker-0")),
        ServerProcess(*registry, "--journal", str(elsewhere), workers=2) as of_a_workers_journal,
    ):
        assert of_a_workers_journal.wait() == 2
    assert of_a_workers_journal.wrote("another server writes this journal", "worker-0")
    assert of_a_workers_journal.wrote("worker cannot be kept running")
    assert process.end() == 0
