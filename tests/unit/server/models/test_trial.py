from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from kuntur.bundle.bundle import RefusalReason
from kuntur.confined import end, start
from server.host.scheduling import give_way
from server.trial.messages import Candidate, Finding
from server.trial.process import TrialLimits, TrialProcess
from tests.support.bundles import (
    constant_model,
    endless_model,
    golden_features,
    huge_model,
    linear_model,
    sigmoid,
)

LIMITS = TrialLimits(seconds=120.0, bytes=1 << 30, call_s=60.0)
WEIGHTS = (0.5, -0.5)


def candidate(model: bytes | None = None) -> Candidate:
    features = golden_features(2)
    margin = np.nan_to_num(features.astype(np.float64)) @ np.array(WEIGHTS)
    return Candidate(linear_model(WEIGHTS) if model is None else model, features, sigmoid(margin))


@pytest.fixture
def trial() -> Iterator[TrialProcess]:
    process = TrialProcess(LIMITS)
    yield process
    process.stop()


def test_a_sound_model_is_found_sound_and_its_process_is_kept_for_the_next(trial: TrialProcess) -> None:
    findings = [trial(candidate()) for _ in range(3)]
    assert [finding.reason for finding in findings] == [""] * 3
    assert all(finding.call_s > 0 for finding in findings)
    assert trial.started == 1


def test_the_process_has_not_the_low_priority_of_the_thread_that_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A low priority is for good, without privileges."""
    before, priorities, findings = os.getpriority(os.PRIO_PROCESS, 0), [], []

    def starting(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        priorities.append(os.getpriority(os.PRIO_PROCESS, 0))
        return real(*arguments, **options)

    def ask() -> None:
        give_way()
        findings.extend(process(candidate()) for _ in range(2))

    real, process = subprocess.Popen, TrialProcess(LIMITS)
    monkeypatch.setattr(subprocess, "Popen", starting)
    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()
    assert [finding.reason for finding in findings] == ["", ""]
    assert priorities == [before]
    assert process(candidate()).reason == ""  # it outlives who asked for it
    assert process.started == 1
    process.stop()


def test_a_model_that_could_not_be_tried_may_be_tried_again(
    trial: TrialProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as passing:
        passing.setattr(subprocess, "Popen", fails)
        finding = trial(candidate())
    assert finding.reason == RefusalReason.INCOMPLETE  # which the watcher tries again at each look
    assert "temporarily unavailable" in finding.message
    assert trial(candidate()).reason == ""


def test_a_process_that_ends_by_itself_is_not_taken_for_one_that_a_model_killed() -> None:
    for _ in range(5):
        process = start("server.trial.child", str(LIMITS.bytes), "0.01")
        assert process.stdout is not None
        assert process.stdout.read() == b""  # nothing came, so it ends
        end(process)
        assert process.returncode == 0


def test_a_model_that_never_ends_is_given_up_and_the_next_is_tried(trial: TrialProcess) -> None:
    hurried = TrialProcess(TrialLimits(seconds=3.0, bytes=1 << 30, call_s=60.0))
    finding = hurried(candidate(endless_model(2)))
    hurried.stop()
    assert (finding.reason, finding.message) == ("TRIAL_FAILED", "it was not done after 3 s")
    assert trial(candidate()).reason == ""


def test_a_model_that_takes_all_memory_is_refused(trial: TrialProcess) -> None:
    finding = trial(candidate(huge_model(2)))
    assert finding.reason in {"TRIAL_FAILED", "NOT_LOADABLE"}  # killed, or told that there is no more
    assert trial(candidate()).reason == ""


def test_a_model_beyond_the_budget_of_time_is_refused() -> None:
    strict = TrialProcess(TrialLimits(seconds=120.0, bytes=1 << 30, call_s=1e-9))
    finding = strict(candidate())
    strict.stop()
    assert finding.reason == "TOO_SLOW"
    assert "more than 1e-06 ms" in finding.message


def test_a_model_that_gives_golden_rows_no_probability_is_refused(trial: TrialProcess) -> None:
    features = golden_features(2)
    scores = np.full(len(features), 7.0, dtype=np.float32)
    finding = trial(Candidate(constant_model(7.0, 2), features, scores))
    assert (finding.reason, finding.message) == (
        "GOLDEN_MISMATCH",
        "its scores of golden rows are outside of 0 to 1",
    )


def test_stopping_gives_up_a_trial_that_is_under_way() -> None:
    process = TrialProcess(LIMITS)
    found: list[Finding] = []
    trying = threading.Thread(target=lambda: found.append(process(candidate(endless_model(2)))))
    trying.start()
    while not process.started:
        pass
    process.stop()
    trying.join(60)
    assert not trying.is_alive()
    assert found[0].reason == "TRIAL_FAILED"
    assert process(candidate()).message == "the server stops"
