"""Each figure with weights against scikit-learn's, which takes weights too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as reference

from trainer.evaluation import figures
from trainer.evaluation.bootstrap import Weighted

LABEL = np.random.default_rng(0).random(500) < 0.2
PROBABILITY = np.clip(np.random.default_rng(1).normal(0.3, 0.2, 500) + 0.3 * LABEL, 0.01, 0.99)
ALERT = PROBABILITY >= 0.5
AMOUNT = np.random.default_rng(2).gamma(2, 50, 500)
WEIGHT = np.random.default_rng(3).integers(0, 4, 500).astype(np.float64)


def found() -> dict[str, Weighted]:
    return (
        figures.of_ranking(LABEL, PROBABILITY)
        | figures.at_threshold(LABEL, ALERT, AMOUNT, 4.0)
        | figures.of_probabilities(LABEL, PROBABILITY)
    )


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        ("auc_roc", reference.roc_auc_score, PROBABILITY),
        ("average_precision", reference.average_precision_score, PROBABILITY),
        ("precision", reference.precision_score, ALERT),
        ("recall", reference.recall_score, ALERT),
        ("f1", reference.f1_score, ALERT),
        ("accuracy", reference.accuracy_score, ALERT),
        ("brier", reference.brier_score_loss, PROBABILITY),
        ("log_loss", reference.log_loss, PROBABILITY),
    ],
)
def test_weighted_figures_are_those_of_scikit_learn(
    name: str, wanted: Callable[..., float], said: np.ndarray
) -> None:
    for weight in (WEIGHT, np.ones(500)):
        assert found()[name](weight) == pytest.approx(wanted(LABEL, said, sample_weight=weight), abs=1e-12)


def test_recall_by_value_weighs_frauds_by_their_amount_and_alerts_are_counted_by_day() -> None:
    by_value = reference.recall_score(LABEL, ALERT, sample_weight=AMOUNT * WEIGHT)
    assert found()["recall_by_value"](WEIGHT) == pytest.approx(by_value, abs=1e-12)
    assert found()["alerts_per_day"](WEIGHT) == WEIGHT[ALERT].sum() / 4


def test_a_figure_without_any_weight_is_not_a_number_and_counts_are_none() -> None:
    for name, figure in found().items():
        value = figure(np.zeros(500))
        assert value == 0 if name == "alerts_per_day" else np.isnan(value), name


def test_a_probability_just_below_an_edge_stays_in_the_lower_bin() -> None:
    below = np.nextafter(np.float32(7 / 15), np.float32(0))
    assert figures.calibration_bin(np.array([below, 7 / 15, 1.0, 0.0], dtype=np.float32)).tolist() == [
        6,
        7,
        14,
        0,
    ]
