"""What the card says first: each sentence from the document, and which of them are concerns."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.card.points import points


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def document(**changes: Any) -> dict[str, Any]:
    area = "average_precision"
    validation: dict[str, Any] = {
        "folds": {
            "folds": [{}, {}, {}], "missing": "",
            "spread": {area: {"test": 0.7, "least": 0.6, "most": 0.8, "mean": 0.7}},
        },
        "benchmark": {
            "contenders": [
                {"name": "model", "figures": {area: interval(0.7, 0.6, 0.8)}, "gain": None},
                {"name": "rule", "figures": {area: interval(0.1, 0, 0.2)}, "gain": interval(0.6, 0.5, 0.7)},
                {"name": "a line", "figures": {area: interval(0.4, 0.3, 1)}, "gain": interval(0.3, 0.1, 0.5)},
            ]
        },
        "calibration": {
            "by_expected_frauds": [{"holds": True}] * 9 + [{"holds": False}],
            "around": {"review": {"holds": True}, "decline": None},
        },
        "misses": {
            "whole": {"missed": 3, "missed_share": interval(0.25, 0.1, 0.5)},
            "reasons": [{"text": "it was made by day", "of_missed": interval(1.0, 0.5, 1.0)}],
        },
        "fairness": {"found": {"by": ["account type"], "groups": []}},
        "sensitivity": {
            "base": {area: 0.7}, "sources": [{"name": "device", area: 0.5}, {"name": "merchant", area: 0.6}]
        },
        "monitoring": {"who": "Riesgos", "review_by": "2024-06-20", "retire_by": "2025-03-22"},
    }  # fmt: skip
    metrics = {"frauds": 200.0, "rows": 9_000.0}
    return {
        "evaluation": {"metrics": metrics | changes.pop("metrics", {})},
        "validation": validation | changes,
    }


def test_a_model_without_concerns_has_its_points_in_sentences() -> None:
    found = points(document())
    assert [point.text for point in found] == [
        "200 frauds among 9,000 transactions judge it.",
        "Average precision on the test window is 0.700, within those of 3 earlier windows (0.600 to 0.800).",
        "The best of the simple means, a line, reaches 0.400; the model is surely better (+0.300, +0.100 to "
        "+0.500).",
        "Probabilities are off in 1 of 10 parts.",
        "It misses 25.0\u00a0% of the frauds; what sets them apart most: it was made by day.",
        "No group of customers fares worse beyond chance; known of them: account type.",
        "It depends most on one source: without device average precision is 0.500 instead of 0.700.",
        "It is to be validated again by 2024-06-20 and retired from 2025-03-22, and Riesgos acts.",
    ]
    assert not any(point.concern for point in found)


GROUP = {"by": "account type", "name": "CREDIT_CARD", "more_false_alerts": False, "less_recall": True}
LUCKY = {
    "folds": [{}],
    "missing": "",
    "spread": {"average_precision": {"test": 0.9, "least": 0.6, "most": 0.8}},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics": {"frauds": 37.0}}, "few, so look at the intervals"),
        ({"folds": {"folds": [], "missing": "none was asked for", "spread": {}}}, "No earlier window stands"),
        ({"folds": LUCKY}, "above all of 1 earlier window "),
        (
            {"calibration": {"by_expected_frauds": [{"holds": False}] * 2, "around": {}}},
            "off in 2 of 2 parts",
        ),
        (
            {"calibration": {"by_expected_frauds": [], "around": {"review": {"holds": False}}}},
            "the REVIEW threshold",
        ),
        ({"fairness": {"found": {"by": ["account type"], "groups": [GROUP]}}}, "account type credit card"),
        ({"monitoring": {"who": "", "review_by": "a", "retire_by": "b"}}, "nobody is named who acts"),
    ],
)
def test_what_somebody_should_look_into_is_a_concern(changes: dict[str, Any], said: str) -> None:
    concerns = [point.text for point in points(document(**changes)) if point.concern]
    assert len(concerns) == 1
    assert said in concerns[0]


def test_a_model_that_is_not_surely_better_than_simple_means_is_a_concern() -> None:
    weak = document()
    weak["validation"]["benchmark"]["contenders"][2]["gain"]["low"] = -0.1
    assert [point.concern for point in points(weak)].count(True) == 1


def test_without_a_validation_there_is_no_point() -> None:
    assert points({"validation": None}) == []
