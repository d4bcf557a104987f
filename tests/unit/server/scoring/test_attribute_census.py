from __future__ import annotations

import numpy as np
import structlog
from prometheus_client import CollectorRegistry

from server.scoring import AttributeCensus

NAN = float("nan")


def _counted(census: AttributeCensus, kind: str, name: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(census)
    labels = {"mismatch": kind, "attribute": name}
    return registry.get_sample_value("kuntur_attributes_mismatched_total", labels)


def test_a_mistyped_name_is_counted_as_unknown_and_the_right_one_as_missing() -> None:
    census = AttributeCensus()
    census.count(frozenset({"bureau_score"}), {"burau_score": np.array([1.0])}, 1, "v1")
    census.count(frozenset({"bureau_score"}), {}, 3, "v1")
    assert _counted(census, "unknown", "burau_score") == 1
    assert _counted(census, "missing", "bureau_score") == 4


def test_in_a_frame_the_rows_are_counted_that_have_or_lack_it() -> None:
    census = AttributeCensus()
    frame = {"a": np.array([1.0, NAN, NAN]), "b": np.array([NAN, 2.0, 3.0]), "c": np.ones(3)}
    census.count(frozenset({"a", "c"}), frame, 3, "v1")
    assert _counted(census, "missing", "a") == 2
    assert _counted(census, "unknown", "b") == 2
    assert _counted(census, "missing", "c") is None


def test_each_name_is_logged_once() -> None:
    census = AttributeCensus()
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            census.count(frozenset({"right"}), {"wrong": np.array([1.0])}, 1, "v1")
    assert sorted(entry["attribute"] for entry in logs) == ["right", "wrong"]


def test_the_number_of_names_is_bounded_and_the_rest_is_counted_together() -> None:
    census = AttributeCensus()
    with structlog.testing.capture_logs() as logs:
        for number in range(200):
            census.count(frozenset(), {f"made_up_{number}": np.array([1.0])}, 1, "v1")
    assert _counted(census, "unknown", "made_up_63") == 1
    assert _counted(census, "unknown", "made_up_64") is None
    assert _counted(census, "unknown", "(other)") == 136
    assert len(logs) == 64
