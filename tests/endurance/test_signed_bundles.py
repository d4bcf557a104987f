"""Two thousand mutated signed bundles, none of which is read."""

from __future__ import annotations

from pathlib import Path

from tests.support.mutated_bundles import refusals_of_mutated


def test_two_thousand_mutated_bundles_are_refused_each_with_a_reason(tmp_path: Path) -> None:
    assert refusals_of_mutated(tmp_path, range(1_000, 3_100)).total() >= 2_000
