"""Figures against scikit-learn, card precision against the protocol in plain Python."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from kuntur.bundle.bundle import Thresholds
from trainer.backtest.figures.card_precision import CardDays
from trainer.backtest.figures.metrics import figures, reliability
from trainer.backtest.figures.scored import Scored, ranked_probability
from trainer.evaluation.evaluate import calibration_error
from trainer.evaluation.evaluate import figures as figures_of_the_manifest

THRESHOLDS = Thresholds(review=0.5, decline=0.8, rationale="")


def scored(n: int = 600, seed: int = 0, days: int = 4, accounts: int = 40) -> Scored:
    chance = np.random.default_rng(seed)
    label = chance.random(n) < 0.15
    score = np.clip(np.round(chance.normal(0.3, 0.2, n) + 0.3 * label, 2), 0, 1).astype(np.float32)
    return Scored(
        label=label,
        score=score.astype(np.float64),
        amount=chance.gamma(2, 50, n),
        account=chance.integers(0, accounts, n),
        day=np.sort(chance.integers(0, days, n)),
        days=days,
    )


def slow_card_precision(rows: Scored, k: int) -> float:
    """The definition, step by step."""
    found: set[int] = set()
    precisions = []
    for day in sorted(set(rows.day.tolist())):
        cards: dict[int, tuple[float, bool]] = {}
        for account, score, label, of in zip(rows.account, rows.score, rows.label, rows.day, strict=True):
            if of == day and account not in found:
                highest, fraud = cards.get(int(account), (-1.0, False))
                cards[int(account)] = (max(highest, float(score)), fraud or bool(label))
        examined = sorted(cards, key=lambda card: (-cards[card][0], card))[:k]
        hits = [card for card in examined if cards[card][1]]
        found.update(hits)
        precisions.append(len(hits) / k)
    return float(np.mean(precisions))


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 4), st.booleans()),
        min_size=1,
        max_size=40,
    ),
    k=st.integers(1, 5),
)
def test_card_precision_is_that_of_its_definition(rows: list[tuple[int, int, int, bool]], k: int) -> None:
    day, account, score, label = (np.array(values) for values in zip(*rows, strict=True))
    found = Scored(label, score / 4, np.ones(len(rows)), account, day, 4)
    assert CardDays.of(found, k)(np.ones(len(rows))) == pytest.approx(
        slow_card_precision(found, k), abs=1e-12
    )


def test_a_card_drawn_twice_is_examined_twice() -> None:
    rows = Scored(
        label=np.array([True, False, True]),
        score=np.array([0.9, 0.8, 0.7]),
        amount=np.ones(3),
        account=np.array([0, 1, 2]),
        day=np.zeros(3, dtype=np.int64),
        days=1,
    )
    assert CardDays.of(rows, 2)(np.ones(3)) == 0.5
    assert CardDays.of(rows, 2)(np.array([2.0, 1.0, 0.0])) == 1.0
    assert CardDays.of(rows, 2)(np.array([0.0, 1.0, 2.0])) == 0.5


def test_figures_are_those_of_scikit_learn() -> None:
    rows = scored()
    found = {name: figure(np.ones(len(rows))) for name, figure in figures(rows, THRESHOLDS, 10).items()}
    wanted = {
        "auc_roc": reference.roc_auc_score(rows.label, rows.score),
        "average_precision": reference.average_precision_score(rows.label, rows.score),
        "brier": reference.brier_score_loss(rows.label, rows.score),
        "log_loss": reference.log_loss(rows.label, np.clip(rows.score, 1e-12, 1 - 1e-12)),
        "expected_calibration_error": calibration_error(rows.label, rows.score.astype(np.float32)),
    }
    for name, threshold in (("review", 0.5), ("decline", 0.8)):
        alert = rows.score >= threshold
        wanted |= {
            f"{name}_precision": reference.precision_score(rows.label, alert),
            f"{name}_recall": reference.recall_score(rows.label, alert),
            f"{name}_f1": reference.f1_score(rows.label, alert),
            f"{name}_accuracy": reference.accuracy_score(rows.label, alert),
            f"{name}_recall_by_value": reference.recall_score(rows.label, alert, sample_weight=rows.amount),
            f"{name}_alerts_per_day": alert.sum() / 4,
        }
    assert found.pop("card_precision@10") == pytest.approx(slow_card_precision(rows, 10))
    assert found == pytest.approx(wanted, abs=1e-7)


def test_figures_are_those_of_the_manifest_under_other_names() -> None:
    rows = scored()
    found = {name: figure(np.ones(len(rows))) for name, figure in figures(rows, THRESHOLDS, 10).items()}
    manifest = figures_of_the_manifest(
        rows.label, rows.score.astype(np.float32), rows.amount, rows.days, THRESHOLDS
    )
    renamed = {"declines_per_day": "decline_alerts_per_day"} | {
        name: f"review_{name}"
        for name in ("alerts_per_day", "precision", "recall", "recall_by_value", "f1", "accuracy")
    }
    for name in set(manifest) - {"rows", "frauds"}:
        assert manifest[name] == found[renamed.get(name, name)], name


def test_a_row_that_weighs_as_two_counts_as_two_in_every_figure() -> None:
    rows = scored(300, seed=3)
    by_account = np.random.default_rng(1).integers(0, 3, 40)
    weight = by_account[rows.account]
    copies = np.repeat(np.arange(300), weight)
    copied = Scored(
        rows.label[copies], rows.score[copies], rows.amount[copies], rows.account[copies], rows.day[copies], 4
    )
    weighted, doubled = figures(rows, THRESHOLDS, 10), figures(copied, THRESHOLDS, 10)
    for name in set(weighted) - {"card_precision@10"}:  # there copies of a card are cards of their own
        assert weighted[name](weight.astype(np.float64)) == pytest.approx(doubled[name](np.ones(len(copies))))


def test_precision_without_an_alert_is_not_a_number_and_recall_is_none() -> None:
    rows = scored()
    rows = replace(rows, score=rows.score * 0.9)
    found = figures(rows, Thresholds(review=1.0, decline=1.0, rationale=""), 10)
    assert np.isnan(found["decline_precision"](np.ones(len(rows))))
    assert found["decline_recall"](np.ones(len(rows))) == 0


def test_reliability_tells_of_all_rows_and_adds_up_to_the_calibration_error() -> None:
    rows = scored()
    table = reliability(rows)
    error = sum(entry["rows"] * abs(entry["mean_probability"] - entry["fraud_share"]) for entry in table)
    assert sum(entry["rows"] for entry in table) == len(rows)
    figure = figures(rows, THRESHOLDS, 10)["expected_calibration_error"]
    assert error / len(rows) == pytest.approx(figure(np.ones(len(rows))))


@given(
    st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=60), st.sampled_from([1.0, 0.01, 1e-6, 40.0])
)
def test_ranked_probabilities_keep_the_margins_order_and_the_served_bits(
    margins: list[float], slope: float
) -> None:
    margin = np.array(margins, dtype=np.float32)
    with np.errstate(over="ignore"):
        served = (1 / (1 + np.exp(-slope * margin.astype(np.float64)))).astype(np.float32)
    exact = ranked_probability(served, margin)
    assert np.array_equal(exact.astype(np.float32), served)
    order = np.argsort(margin, kind="stable")
    assert np.array_equal(np.diff(margin[order]) > 0, np.diff(exact[order]) > 0)
    assert exact.min() >= 0
    assert exact.max() <= 1
