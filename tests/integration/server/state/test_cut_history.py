"""A history's file that is cut under a running server: it ends with a sentence, and starts again."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import pytest

from server.host.lost_history import EXIT_CODE
from tests.support.bundles import publish
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import stubs_for, transaction, unary, wait_until


def started(process: ServerProcess, workers: int) -> bool:
    """Tells whether all workers have started, which all lose the file then."""
    return process.wrote("server started", f'"workers": {workers}' if workers > 1 else "port")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_cut_under_a_server_ends_it_with_a_sentence_and_the_next_start_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    publish(tmp_path / "registry", "m-1")
    history = tmp_path / "history"
    monkeypatch.setenv("KUNTUR_SERVER_HISTORY__PATH", str(history))
    for kind in ("accounts", "merchants", "devices", "categories"):
        monkeypatch.setenv(f"KUNTUR_SERVER_HISTORY__MAX_{kind.upper()}", "256")
    arguments = ("--registry", str(tmp_path / "registry"))
    with ServerProcess(*arguments, workers=workers) as process, stubs_for(process.address) as stubs:
        wait_until(lambda: started(process, workers) and stubs.health_of() == "SERVING")
        stubs.scoring.ScoreTransaction(unary(transaction("t-1")))
        os.truncate(history, 8192)
        with pytest.raises(grpc.RpcError):
            stubs.scoring.ScoreTransaction(unary(transaction("t-2")))
        assert process.wait() == EXIT_CODE
    assert process.wrote("the file of the history was cut")
    assert "Traceback" not in "".join(process.lines)
    with ServerProcess(*arguments) as process, stubs_for(process.address) as stubs:
        wait_until(lambda: stubs.health_of() == "SERVING")
        assert stubs.scoring.ScoreTransaction(unary(transaction("t-3"))).score.transaction_id == "t-3"
        assert process.end() == 0
    assert process.wrote("the history file was cut")
