"""Nothing that was answered is lost or answered otherwise, whichever process is killed, and whenever.

`KILLS` of the environment is how often with each durability; 200 by default. Half of them are of servers of
one process, half of two workers.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.bundles import publish
from tests.support.killed import (
    Callers,
    environment,
    kill_all,
    missing_from_journal,
    state_is_that_of_the_journal,
    wait_for_end,
)
from tests.support.programs.server_process import ServerProcess, children
from tests.support.results import record
from tests.support.serving import wait_until

KILLS = int(os.environ.get("KILLS", "200"))
_SEED = 17


@pytest.mark.timeout(60 + 60 * KILLS)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("durability", ["process", "disk"])
def test_kills_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, durability: str
) -> None:
    publish(tmp_path / "registry", "m-1")
    for name, value in environment(tmp_path / "history").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__DURABILITY", durability)
    arguments = ("--registry", str(tmp_path / "registry"), "--journal", str(tmp_path / "journal"))
    chance = random.Random(_SEED + workers)
    kills, histories = KILLS // 2, 0
    kinds = ("all",) if workers == 1 else ("worker", "worker", "supervisor", "all")
    server = ServerProcess(*arguments, workers=workers)
    with Callers(_SEED + workers) as callers:
        try:
            callers.address = server.address
            done: dict[str, int] = {}
            for _ in range(kills):
                answered = callers.answered()
                wait_until(lambda answered=answered: callers.answered() > answered + 20)  # type: ignore[misc]
                time.sleep(chance.uniform(0.0, 0.3))
                kind = chance.choice(kinds)
                done[kind] = done.get(kind, 0) + 1
                if kind == "worker":
                    running = children(server.pid)
                    if running:
                        os.kill(chance.choice(running), signal.SIGKILL)
                    continue
                if kind == "all":
                    kill_all(server)
                else:
                    running = children(server.pid)
                    server.end(signal.SIGKILL)
                    wait_for_end(running)
                histories += 1
                assert state_is_that_of_the_journal(tmp_path, tmp_path / "copy") == []
                server = ServerProcess(*arguments, workers=workers)
                callers.address = server.address
            answered = callers.answered()
            wait_until(lambda: callers.answered() > answered + 50)
        finally:
            callers.__exit__()
            code = server.end()
    assert code == 0
    assert callers.wrong == []
    assert missing_from_journal(tmp_path / "journal", callers.answers) == []
    record(
        f"kills-{durability}-{workers}",
        kills=kills,
        **done,
        answered=len(callers.answers),
        again=callers.again,
        histories=histories,
    )
