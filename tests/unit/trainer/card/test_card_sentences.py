"""Sentences of the card that were wrong at their edges, as a reader sees them."""

from __future__ import annotations

import html
import re
from typing import Any

import numpy as np
import pytest

from kuntur.bundle.bundle import Thresholds
from trainer.card import documents
from trainer.evaluation import evaluate
from trainer.evaluation.bootstrap import Interval, where_none_differs
from trainer.evaluation.drift import SCORE

from .card_evidence import full


def _text(**changes: Any) -> str:
    page = documents(full(**changes))["model_card.html"].decode()
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def test_a_model_that_was_compared_with_nothing_is_not_called_promoted() -> None:
    alone = {"promoted": True, "forced": False, "champion": "", "text": "It goes live without a comparison."}
    text = _text(verdict=alone)
    assert "live, compared with nothing" in text
    assert "promoted" not in text.split("Purpose", 1)[0]
    assert "promoted" in _text(verdict=alone | {"champion": "v0"})


def test_the_score_is_no_feature_in_the_drift() -> None:
    drift = [{"name": name, "psi": psi} for name, psi in (("amount", 0.01), ("hour", 0.3), (SCORE, 0.5))]
    text = _text(drift=drift)
    assert "1 of 2 features stands still" in text
    assert "moved far (from 0.25): 1." in text
    assert "The index of the score itself is 0.5." in text


def test_one_trial_is_not_in_the_plural() -> None:
    text = _text(trials=({"number": 1, "parameters": {"algorithm": "xgboost"}, "average_precision": 0.5},))
    assert "1 setting was tried" in text
    assert "All 1 trials" not in text


def test_no_figure_of_the_card_has_an_exponent() -> None:
    thresholds = Thresholds(review=1.355e-20, decline=0.8, rationale="")
    text = _text(thresholds=thresholds, parity={"max_probability_difference": 1.355e-20})
    assert not re.search(r"\d[.\d]*e-\d", text)
    assert "< 0.000001" in text


def test_all_of_few_frauds_found_is_not_certain() -> None:
    label = np.zeros(1_000, dtype=np.bool_)
    label[:78] = True
    probability = np.where(label, 0.9, 0.001).astype(np.float32)
    thresholds = Thresholds(review=0.5, decline=0.8, rationale="")
    found = evaluate.intervals(
        label, probability, np.ones(1_000), 7.0, thresholds, np.arange(1_000), replicates=20
    )
    for name in ("recall", "precision", "recall_by_value", "decline_recall"):
        assert found[name].value == 1.0
        assert found[name].high == 1.0
        assert found[name].low == pytest.approx(0.9531, abs=1e-4), name  # 78 / (78 + 1.96²)
    assert found["accuracy"].low == pytest.approx(0.99617, abs=1e-5)  # of 1,000 accounts
    assert np.isnan([found["auc_roc"].low, found["auc_roc"].high]).all()


def test_an_interval_whose_replicates_differ_stays_as_it_is_and_any_other_is_none() -> None:
    found = Interval(0.9, 0.8, 1.0)
    assert where_none_differs(found) is found
    none = where_none_differs(Interval(0.7, 0.7, 0.7))
    assert (none.value, np.isnan(none.low), np.isnan(none.high)) == (0.7, True, True)


def test_shares_of_many_accounts_keep_the_interval_of_the_bootstrap() -> None:
    chance = np.random.default_rng(0)
    label = chance.random(4_000) < 0.2
    probability = np.where(chance.random(4_000) < 0.7, label, ~label).astype(np.float32)
    thresholds = Thresholds(review=0.5, decline=0.5, rationale="")
    shares = evaluate.intervals(
        label, probability, np.ones(4_000), 7.0, thresholds, np.arange(4_000), replicates=60
    )
    wide = shares["precision"].high - shares["precision"].low
    caught, alerts = (label & (probability > 0.5)).sum(), (probability > 0.5).sum()
    share = caught / alerts
    assert wide == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / alerts), rel=0.35)
