from __future__ import annotations

from bench.serving.soak import failures


def test_memory_that_falls_is_no_leak() -> None:
    assert failures(0, -0.1109, 0.01) == []


def test_memory_that_grows_and_errors_are_told_each_by_its_own() -> None:
    assert failures(0, 0.05, 0.01) == ["memory grew by 5.00 %"]
    assert failures(593, -0.1109, 0.01) == ["593 errors"]
