from __future__ import annotations

import os
import random
import re
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

from kuntur.api.v1 import scoring_service_pb2, transaction_pb2
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.journal.exchanges import read_exchanges
from kuntur.journal.workers import journal_parts
from kuntur.transaction import TransactionBatch
from kuntur.wire import TransactionReader
from server.state import HistorySizes, Region, RegionHistory
from server.telemetry.catalogue import CATALOGUE, Of
from tests.support.bundles import publish
from tests.support.programs.server_process import ServerProcess, children
from tests.support.serving import EVENT_TIME, Stubs, stubs_for, transaction, unary, wait_until

_SIZES = HistorySizes(accounts=256, merchants=256, devices=256, categories=256, recent_transactions=4096)
_CALLERS, _EACH = 3, 120
_KILLS_AFTER = (40, 130, 220)


@dataclass(frozen=True)
class Serving:
    """A server of two workers, the directory of all that it keeps, the port of its metrics."""

    process: ServerProcess
    directory: Path
    metrics_port: int

    def metrics(self) -> str:
        """Returns its page of metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=60) as page:
            return str(page.read().decode())


@contextmanager
def serving(directory: Path) -> Iterator[Serving]:
    """Runs a server of two workers, and ends it in order."""
    publish(directory / "registry", "m-1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings: dict[str, object] = {
        "HISTORY__PATH": directory / "history",
        "HISTORY__RECENT_TRANSACTIONS": _SIZES.recent_transactions,
        "JOURNAL__SYNC_INTERVAL_S": 0.05,
        "WORKER_SILENCE_S": 5,
    }
    settings |= {f"HISTORY__MAX_{kind}": 256 for kind in ("ACCOUNTS", "MERCHANTS", "DEVICES", "CATEGORIES")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(f"KUNTUR_SERVER_{name}", str(value))
        process = ServerProcess(
            "--registry", str(directory / "registry"),
            "--journal", str(directory / "journal"),
            "--metrics-port", str(port),
            workers=2,
        )  # fmt: skip
    with process:
        wait_until(lambda: process.wrote("server started", '"workers"'))
        yield Serving(process, directory, port)
        assert process.end() == 0


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server for several tests, each of which leaves it with two workers: a start takes seconds."""
    with serving(tmp_path_factory.mktemp("lasting")) as started:
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


def test_two_workers_killed_at_random_keep_the_history_of_one(tmp_path: Path) -> None:
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

    with serving(tmp_path) as running, ExitStack() as open_channels:
        process = running.process
        stubs = [open_channels.enter_context(stubs_for(process.address)) for _ in range(6)]
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
    assert sum("worker died" in line for line in process.lines) >= 2
    assert journal_parts(tmp_path / "journal") == [tmp_path / "journal"]  # one for all

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


def test_the_journal_and_the_metrics_of_the_workers_are_the_servers(lasting: Serving) -> None:
    messages = [unary(transaction(f"of-all-{number}", account_id="of-all")) for number in range(40)]
    sent = [message.SerializeToString() for message in messages]

    def written() -> list[bytes]:
        exchanges = read_exchanges(lasting.directory / "journal", allow_torn_tail=True)
        return [each.request for each in exchanges if each.response and each.request in sent]

    before = lasting.metrics()
    with ExitStack() as open_channels:
        stubs = [open_channels.enter_context(stubs_for(lasting.process.address)) for _ in range(8)]
        for one in stubs:
            wait_until(lambda one=one: one.health_of() == "SERVING")
        for number, message in enumerate(messages):
            stubs[number % 8].scoring.ScoreTransaction(message)
    wait_until(lambda: len(written()) == len(sent))
    assert written() == sent
    after = lasting.metrics()
    counted = _values(after, "kuntur_request_seconds_count", "ScoreTransaction")
    assert len(counted) == 2
    assert sum(counted) - sum(_values(before, "kuntur_request_seconds_count", "ScoreTransaction")) == 40
    for name, label, more in (("kuntur_entities", "account", 1), ("kuntur_recent_transactions", "", 40)):
        ((now,), (then,)) = (_values(page, name, label) for page in (after, before))
        assert now - then == more
    exposed = set(re.findall(r"^# TYPE (\w+) ", after, re.MULTILINE))
    assert {name for name in exposed if not name.endswith("_created")} == {
        declared.exposed for declared in CATALOGUE if declared.of not in {Of.TLS, Of.SIGNING}
    }


def _is_worker(pid: int) -> bool:
    """Tells whether a process of the supervisor runs the worker's program by now."""
    return b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def _values(page: str, name: str, label: str) -> list[float]:
    lines = [line for line in page.splitlines() if re.split("[{ ]", line)[0] == name and label in line]
    return [float(line.rpartition(" ")[2]) for line in lines]


def test_a_server_that_cannot_start_says_why(
    lasting: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ("--registry", str(lasting.directory / "registry"))
    same = (*registry, "--journal", str(lasting.directory / "journal"))
    with monkeypatch.context() as patch:
        patch.setenv("KUNTUR_SERVER_HISTORY__PATH", str(lasting.directory / "history"))
        elsewhere = (*registry, "--journal", str(tmp_path))
        with ServerProcess(*elsewhere, workers=2) as of_its_history:
            assert of_its_history.wait() == 2
    assert of_its_history.wrote("history is in use by another server")
    with ServerProcess(*same, workers=2) as of_its_journal:
        assert of_its_journal.wait() == 2
    assert of_its_journal.wrote("another server writes this journal")


def test_a_worker_that_hangs_is_replaced(lasting: Serving) -> None:
    process = lasting.process
    stopped, other = sorted(children(process.pid))
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: process.wrote("worker gave no sign of life", '"stopped": true'))
    wait_until(lambda: len(workers := children(process.pid)) == 2 and stopped not in workers)
    assert other in children(process.pid)
    metrics = lasting.metrics()
    assert "kuntur_workers_silent_total 1.0" in metrics
    assert "kuntur_workers_died_total 1.0" in metrics
    for _ in range(20):  # whichever worker the kernel gives a connection to
        with stubs_for(process.address) as stubs:
            assert stubs.scoring.ScoreTransaction(
                unary(transaction("t-1")), wait_for_ready=True, timeout=60
            ).score.transaction_id


def test_a_worker_stopped_while_it_starts_is_replaced_and_a_killed_supervisor_takes_all_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "registry", "m-1")
    monkeypatch.setenv("KUNTUR_SERVER_WORKER_SILENCE_S", "5")
    with ServerProcess("--registry", str(tmp_path / "registry"), workers=2) as starting:
        # As a worker, not as what the supervisor is between forking and starting it: that waits for itself.
        wait_until(lambda: [_is_worker(child) for child in children(starting.pid)] == [True])
        (stopped,) = children(starting.pid)
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: starting.wrote("worker gave no sign of life", '"stopped": true'))
        wait_until(lambda: starting.wrote("server started", '"workers"'))
        wait_until(lambda: len(children(starting.pid)) == 2)  # one that is slow to answer is replaced too
        workers = children(starting.pid)
        assert stopped not in workers
        starting.end(signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{worker}/exe").exists() for worker in workers))
