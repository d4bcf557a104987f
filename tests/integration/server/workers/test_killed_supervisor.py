"""The process that writes the journal is killed while calls wait for it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import grpc
import pytest

from tests.support.bundles import publish
from tests.support.killed import wait_for_end
from tests.support.programs.server_process import ServerProcess, children
from tests.support.serving import stubs_for, transaction, unary


def test_calls_that_wait_for_the_disk_are_refused_and_answered_when_they_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "registry", "m-1")
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__DURABILITY", "disk")
    arguments = ("--registry", str(tmp_path / "registry"), "--journal", str(tmp_path / "journal"))
    with ServerProcess(*arguments, workers=2) as server, stubs_for(server.address) as stubs:
        first = stubs.scoring.ScoreTransaction(unary(transaction("t-0")), timeout=60)
        workers = children(server.pid)
        server.send(signal.SIGSTOP)  # nobody writes: what is called now waits
        waiting = stubs.scoring.ScoreTransaction.future(unary(transaction("t-1")), timeout=60)
        time.sleep(0.2)
        assert not waiting.done()
        server.end(signal.SIGKILL)
        with pytest.raises(grpc.RpcError) as refused:
            waiting.result()
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        wait_for_end(workers)
    with ServerProcess(*arguments, workers=2) as server, stubs_for(server.address) as stubs:
        for name in ("t-0", "t-1"):
            again = stubs.scoring.ScoreTransaction(unary(transaction(name)), timeout=60).score
            assert again.replayed
            if name == "t-0":
                again.replayed = False
                assert again == first.score
