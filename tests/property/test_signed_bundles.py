"""Whatever becomes of a signed bundle, a reader with a policy refuses it with a reason, if it changed."""

from __future__ import annotations

from pathlib import Path

from tests.support.mutated_bundles import refusals_of_mutated


def test_three_hundred_mutated_bundles_are_refused_each_with_a_reason(tmp_path: Path) -> None:
    refused = refusals_of_mutated(tmp_path, range(300))
    assert refused.total() >= 290
    assert len(refused) >= 6
