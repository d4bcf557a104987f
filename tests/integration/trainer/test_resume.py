"""A search on a Ray of its own: it leaves nothing behind, and goes on after its process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.integration.trainer.searching import (
    LONG_ROWS,
    LONG_TRIALS,
    Heard,
    cut_off,
    ended_trials,
    long_settings,
    searched,
)

PATIENCE_S = 240


def is_alive(process: psutil.Process) -> bool:
    """Tells whether a process runs; one that ended and waits for its parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_of_ray(process: psutil.Process) -> bool:
    """Tells whether a process is one of Ray's; one that has ended is none."""
    try:
        return "ray" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Returns those that do not end within two minutes."""
    deadline = time.monotonic() + 120
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [process for process in processes if is_alive(process)]


class Killed(NamedTuple):
    """A search that was cut off: where it lies, the trials that were over, the processes it had."""

    work: Path
    ended: dict[str, float]
    processes: list[psutil.Process]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """A search that was killed when its first trial was over."""
    work = tmp_path_factory.mktemp("work")
    # Ray writes a search down every ten seconds at the most; this one would be over by then.
    environment = os.environ | {"TUNE_GLOBAL_CHECKPOINT_S": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.trainer.searching", str(work)], env=environment
    )
    deadline = time.monotonic() + PATIENCE_S
    while not ended_trials(work) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    # Ray's agents ask their killed server for a minute before they end; they hold neither rows nor cores.
    children = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if not child.name().endswith("Agent")
    ]
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the search was over before it was killed"
    cut_off(work)
    return Killed(work, ended_trials(work), children)


def test_a_killed_search_goes_on_with_the_trials_that_are_left(
    killed: Killed, capfd: pytest.CaptureFixture[str]
) -> None:
    work, before, _ = killed
    assert 1 <= len(before) < LONG_TRIALS
    heard = Heard()
    found = searched(work, long_settings(), progress=heard, rows=LONG_ROWS)
    (experiment,) = work.glob("search-*")
    assert heard.notes == [f"Going on with the search in {experiment}"]
    assert len(found.trials) == LONG_TRIALS
    assert heard.steps[-1][:2] == (LONG_TRIALS, LONG_TRIALS)
    assert all(done >= len(before) for done, _, _ in heard.steps)
    after = ended_trials(work)
    assert len(after) == LONG_TRIALS
    assert {name: after[name] for name in before} == before
    assert capfd.readouterr().out == ""
    remaining = [child for child in psutil.Process().children(recursive=True) if is_of_ray(child)]
    assert still_running(remaining) == []


def test_a_killed_search_leaves_no_process_behind(killed: Killed) -> None:
    assert len(killed.processes) >= 3  # at the least Ray's two servers and a worker
    assert still_running(killed.processes) == []
