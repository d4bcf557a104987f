from __future__ import annotations

import pytest

from bench.soak import failure


@pytest.mark.parametrize("drift", [-0.11, 0.0, 0.01])
def test_memory_that_falls_or_stays_is_no_leak(drift: float) -> None:
    assert failure(0, drift, 0.01) == ""


def test_each_fault_is_named_and_nothing_else() -> None:
    assert failure(0, 0.05, 0.01) == "memory grew by 5.00 %"
    assert failure(593, -0.11, 0.01) == "593 calls were not answered"
    assert failure(593, 0.05, 0.01) == "593 calls were not answered and memory grew by 5.00 %"
