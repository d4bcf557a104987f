"""A server whose journal cannot be written: refused before anything is counted, and well again by itself.

The disk is full for a server by the limit on the size of its files, which works wherever tests run, and
where tests may mount one by a small file system.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest

from kuntur.api.v1 import (
    history_service_pb2,
    outcome_service_pb2,
    scoring_service_pb2,
    transaction_pb2,
)
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.journal.entries import RequestKind
from kuntur.journal.exchanges import read_exchanges
from kuntur.transaction import TransactionBatch
from kuntur.wire import TransactionReader
from server.rpc.endpoints.health import KEEPING, OTHERS, SCORING
from server.state import HistorySizes, Region, RegionHistory
from tests.support.bundles import publish
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import Stubs, failure, frame, stubs_for, transaction, unary, wait_until

_SIZES = HistorySizes(accounts=256, merchants=256, devices=256, categories=256, recent_transactions=4096)
_NO_ROOM = (16, resource.RLIM_INFINITY)
_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
_SMALL: dict[str, str | int] = {
    "JOURNAL__BUFFER_BYTES": 4 << 20,
    "LIMITS__MAX_MESSAGE_BYTES": 1 << 20,
    "LIMITS__MAX_FRAME_TRANSACTIONS": 64,
    "LIMITS__MAX_REQUEST_OUTCOMES": 64,
}
_ROOM = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers with a history in a file and a journal, on the arguments given."""
    publish(tmp_path / "registry", "m-1")
    monkeypatch.setenv("KUNTUR_SERVER_HISTORY__PATH", str(tmp_path / "history"))
    monkeypatch.setenv("KUNTUR_SERVER_HISTORY__RECENT_TRANSACTIONS", str(_SIZES.recent_transactions))
    for kind in ("accounts", "merchants", "devices", "categories"):
        monkeypatch.setenv(f"KUNTUR_SERVER_HISTORY__MAX_{kind.upper()}", "256")
    with ExitStack() as running:

        def start(journal: Path, workers: int = 1) -> ServerProcess:
            same = ("--registry", str(tmp_path / "registry"), "--journal", str(journal))
            return running.enter_context(ServerProcess(*same, workers=workers))

        yield start


def _try(stubs: Stubs, name: str) -> bool:
    """Scores a transaction; returns whether it was answered, and not refused for the journal."""
    try:
        stubs.scoring.ScoreTransaction(unary(transaction(name, amount_minor=100 + len(name))), timeout=60)
    except grpc.RpcError as error:
        opened = failure(error)
        assert (opened.code, opened.reason) == (grpc.StatusCode.UNAVAILABLE.value[0], "JOURNAL_UNAVAILABLE")
        assert opened.retried
        return False
    return True


def _answered_until_refused(stubs: Stubs, prefix: str) -> list[str]:
    """Scores transactions until one is refused; returns the others."""
    answered: list[str] = []

    def refused() -> bool:
        name = f"{prefix}-{len(answered)}"
        if _try(stubs, name):
            answered.append(name)
            return False
        return True

    wait_until(refused)
    return answered


def _healths(stubs: Stubs, services: tuple[str, ...]) -> set[str]:
    return {stubs.health_of(service) for service in services}


def _all_refused(stubs: Stubs) -> None:
    """Tries each way in which something would be counted."""
    refused = transaction("refused")
    outcome = outcome_service_pb2.ReportOutcomesRequest()
    outcome.outcomes.add(transaction_id="t-0")
    calls: list[Callable[[], object]] = [
        lambda: stubs.scoring.ScoreTransaction(unary(refused)),
        lambda: list(stubs.scoring.ScoreStream(iter([frame(refused)]))),
        lambda: stubs.history.Backfill(iter([history_service_pb2.BackfillRequest(transactions=[refused])])),
        lambda: stubs.outcomes.ReportOutcomes(outcome),
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert (failure(caught.value).reason, failure(caught.value).retried) == ("JOURNAL_UNAVAILABLE", True)


def _journalled(journal: Path) -> list[str]:
    exchanges = read_exchanges(journal, allow_torn_tail=True)
    requests = [each.request for each in exchanges if each.kind == RequestKind.SCORE_TRANSACTION]
    parsed = map(scoring_service_pb2.ScoreTransactionRequest.FromString, requests)
    return [request.transaction.transaction_id for request in parsed]


def _batch(messages: list[transaction_pb2.Transaction]) -> TransactionBatch:
    raw = scoring_service_pb2.ScoreStreamRequest(transactions=messages).SerializeToString()
    return TransactionReader(secret_from_hex(DEFAULT_HASH_KEY)).read_request(raw, 2**62, len(messages)).batch


def _counted_alone(history: Path, names: list[str]) -> None:
    """Checks that a history is that of a server which never saw anything but some transactions."""
    serial = RegionHistory(Region.private(_SIZES))
    for name in names:
        serial.score_features(_batch([transaction(name, amount_minor=100 + len(name))]))
    region = Region.open(history, _SIZES)
    try:
        found = RegionHistory(region)
        assert found.counts().recent_transactions == len(names)
        later = _batch([transaction(f"later-{number}") for number in range(5)])
        np.testing.assert_array_equal(found.score_features(later), serial.score_features(later))
    finally:
        region.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_has_calls_refused_uncounted_until_there_is_room(
    serve: Callable[..., ServerProcess], tmp_path: Path, workers: int
) -> None:
    process = serve(tmp_path / "journal", workers=workers)
    with ExitStack() as connections:
        reached = [connections.enter_context(stubs_for(process.address)) for _ in range(6)]
        stubs = reached[0]
        for one in reached:  # a connection is one worker's
            wait_until(lambda one=one: one.health_of() == "SERVING")
        names = [f"t-{number}" for number in range(6)]
        assert all(_try(one, name) for one, name in zip(reached, names, strict=True))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, _NO_ROOM)
        names += _answered_until_refused(stubs, "late")
        for one in reached:
            _all_refused(one)
            wait_until(lambda one=one: _healths(one, (*SCORING, *KEEPING)) == {"NOT_SERVING"})
            assert _healths(one, OTHERS) == {"SERVING"}
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, _ROOM)
        for number, one in enumerate(reached):
            wait_until(lambda one=one: _healths(one, (*SCORING, *KEEPING, *OTHERS)) == {"SERVING"})
            assert _try(one, f"after-{number}")
            names.append(f"after-{number}")
    assert process.end() == 0
    assert _journalled(tmp_path / "journal") == names
    _counted_alone(tmp_path / "history", names)
    assert process.wrote("the journal cannot be written", "File too large")
    assert process.wrote("the journal is written again")
    assert not any("Traceback" in line or "worker died" in line for line in process.lines)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_directory_is_one_servers_alone_and_its_removal_stops_that_until_it_is_there_again(
    serve: Callable[..., ServerProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    journal = tmp_path / "journal"
    process = serve(journal, workers=workers)
    assert process.address
    with monkeypatch.context() as patch:
        patch.delenv("KUNTUR_SERVER_HISTORY__PATH")
        other = serve(journal, workers=3 - workers)
    assert other.wait() == 2
    assert other.wrote("another server writes this journal")
    with stubs_for(process.address) as stubs:
        wait_until(lambda: stubs.health_of() == "SERVING")
        assert all(_try(stubs, f"t-{number}") for number in range(3))
        wait_until(lambda: len(_journalled(journal)) == 3)
        shutil.rmtree(journal)
        late = _answered_until_refused(stubs, "late")
        wait_until(lambda: _healths(stubs, (*SCORING, *KEEPING)) == {"NOT_SERVING"})
        journal.mkdir()
        wait_until(lambda: stubs.health_of() == "SERVING")
        assert _try(stubs, "after")
    assert process.end() == 0
    kept = _journalled(journal)
    assert kept[-len(late) - 1 :] == [
        *late,
        "after",
    ]  # what was answered after it, and what was not synced yet
    assert process.wrote("removed, renamed or replaced under the server", "entries_of_the_last_file")


@pytest.mark.parametrize(
    ("workers", "settings", "words"),
    [
        (1, {"JOURNAL__PATH": "journal"}, ("journal/journal-….kj may take 32 MiB",)),
        (1, {"HISTORY__PATH": "history"}, ("history may take", "or set smaller history.max_accounts")),
        (2, {}, ("the history that workers share", "or serve with one worker")),
        (1, {"JOURNAL__BUFFER_BYTES": 16 << 20}, ("the journal's buffer", "a smaller journal.buffer_bytes")),
    ],
)
def test_a_limit_on_the_size_of_files_is_told_at_the_start_with_the_file_and_what_to_do(
    tmp_path: Path, workers: int, settings: dict[str, str | int], words: tuple[str, ...]
) -> None:
    environment = {
        f"KUNTUR_SERVER_{key}": str(value if isinstance(value, int) else tmp_path / value)
        for key, value in (_SMALL | settings).items()
    }
    serving = ["-m", "server", "serve", "--listen", "127.0.0.1:0", "--workers", str(workers)]
    ended = subprocess.run(
        [sys.executable, "-c", _LIMITED, *serving, "--registry", str(tmp_path / "registry")],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode == 2
    told = ended.stderr.splitlines()[-1]
    assert all(word in told for word in (*words, "a file may have 8.0 MiB", "ulimit -f")), ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("min_free_bytes", [0, 2 << 20])
def test_a_file_system_that_is_filled_and_freed(
    serve: Callable[..., ServerProcess],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    min_free_bytes: int,
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root")
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__MIN_FREE_BYTES", str(min_free_bytes))
    try:
        with ServerProcess(
            "--registry", str(tmp_path / "registry"), "--journal", str(small / "journal")
        ) as none:
            assert none.wait() == 2
        assert none.wrote("buffer.kjb", "No space left on device", "set a smaller journal.buffer_bytes")
        for name, value in _SMALL.items():
            monkeypatch.setenv(f"KUNTUR_SERVER_{name}", str(value))
        process = serve(small / "journal")
        with stubs_for(process.address) as stubs:
            wait_until(lambda: stubs.health_of() == "SERVING")
            names = ["t-0"]
            assert _try(stubs, "t-0")
            with (small / "filling").open("wb", buffering=0) as filling, contextlib.suppress(OSError):
                while filling.write(bytes(4096)):
                    pass
            names += _answered_until_refused(stubs, "late")
            _all_refused(stubs)
            wait_until(lambda: _healths(stubs, (*SCORING, *KEEPING)) == {"NOT_SERVING"})
            (small / "filling").unlink()
            wait_until(lambda: stubs.health_of() == "SERVING")
            assert _try(stubs, "after")
            names.append("after")
        assert process.end() == 0
        assert _journalled(small / "journal") == names
        _counted_alone(tmp_path / "history", names)
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)
