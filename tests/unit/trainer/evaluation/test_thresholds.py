from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.bundle.bundle import Thresholds
from trainer.evaluation.thresholds import RowCosts, choose, costs_per_day
from trainer.settings.judging import ThresholdSettings


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def by_budget(probability: np.ndarray, days: float, settings: ThresholdSettings) -> Thresholds:
    return choose(probability, probability > 2, np.zeros(len(probability)), days, settings)


@given(
    st.lists(st.sampled_from([0.0, 1e-30, 0.01, 0.3, 0.30000001, 0.9, 1.0]), min_size=1, max_size=80),
    st.floats(0.1, 30),
    st.floats(0.1, 5),
    st.floats(0.1, 5),
)
def test_thresholds_keep_to_the_alert_budget_also_with_equal_scores(
    values: list[float], days: float, review: float, decline: float
) -> None:
    settings = ThresholdSettings(review_alerts_per_day=review, decline_alerts_per_day=decline)
    probability = floats(*values)
    chosen = by_budget(probability, days, settings)
    assert 0 <= chosen.review <= chosen.decline <= 1
    for threshold, budget in ((chosen.review, review), (chosen.decline, decline)):
        alerts = int((probability >= np.float32(threshold)).sum())
        # Certain fraud is an alert at any threshold: no probability lies above 1.
        assert alerts <= budget * days or (probability == 1).sum() == alerts


def test_a_threshold_uses_the_whole_budget_where_scores_differ() -> None:
    probability = np.random.default_rng(0).permutation(np.linspace(0, 0.9, 1000)).astype(np.float32)
    settings = ThresholdSettings(review_alerts_per_day=5, decline_alerts_per_day=2)
    chosen = by_budget(probability, 10, settings)
    assert int((probability >= np.float32(chosen.review)).sum()) == 50
    assert int((probability >= np.float32(chosen.decline)).sum()) == 20


def test_a_budget_above_all_rows_reviews_everything() -> None:
    chosen = by_budget(floats(0.1, 0.2), 10, ThresholdSettings())
    assert chosen.review == 0


def test_the_rationale_tells_the_budget_and_the_days() -> None:
    settings = ThresholdSettings(review_alerts_per_day=30, decline_alerts_per_day=2.5)
    rationale = by_budget(floats(0.1), 7, settings).rationale
    assert "at most 30 reviews a day" in rationale
    assert "at most 2.5 are declined" in rationale
    assert "7 days" in rationale


def test_a_threshold_survives_the_way_through_json_as_float32() -> None:
    probability = floats(0.1, 0.2, 0.3, 0.4)
    chosen = by_budget(probability, 1, ThresholdSettings(review_alerts_per_day=2, decline_alerts_per_day=1))
    again = Thresholds.model_validate_json(chosen.model_dump_json())
    assert (probability >= np.float32(again.review)).tolist() == [False, False, True, True]
    assert (probability >= np.float32(again.decline)).tolist() == [False, False, False, True]


COSTS = ThresholdSettings(
    method="cost",
    fraud_loss_share=1.0,
    investigation_cost=5.0,
    review_recovery_share=0.8,
    wrong_decline_cost=30.0,
    wrong_decline_share=0.1,
)


def test_costs_of_each_decision_are_those_worked_out_by_hand() -> None:
    costs = RowCosts.of(np.array([True, False]), np.array([200.0, 50.0]), COSTS)
    assert costs.approve.tolist() == [200.0, 0.0]
    assert costs.review.tolist() == pytest.approx([5 + 40, 5.0])
    assert costs.decline.tolist() == [0.0, 35.0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.0]),
            st.booleans(),
            st.sampled_from([0.0, 4.0, 30.0, 300.0]),
        ),
        min_size=1,
        max_size=25,
    ),
    st.floats(0, 40),
    st.floats(0, 1),
    st.floats(0, 80),
)
def test_no_other_pair_of_thresholds_is_cheaper(
    rows: list[tuple[float, bool, float]], investigation: float, recovery: float, wrong: float
) -> None:
    settings = ThresholdSettings(
        method="cost",
        investigation_cost=investigation,
        review_recovery_share=recovery,
        wrong_decline_cost=wrong,
    )
    probability = floats(*(row[0] for row in rows))
    label, amount = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    chosen = choose(probability, label, amount, 1.0, settings)
    assert 0 <= chosen.review <= chosen.decline <= 1
    costs = RowCosts.of(label, amount, settings)
    # At 1 what is certain is still declined: a threshold cannot lie above.
    candidates = [0.0, 0.05, 0.15, 0.3, 0.6, 0.95, 1.0]
    cheapest = min(
        costs.total(probability >= np.float32(review), probability >= np.float32(decline))
        for review in candidates
        for decline in candidates
        if decline >= review
    )
    figures = costs_per_day(label, probability, amount, 1.0, chosen, settings)
    found = figures["cost_per_day"](np.ones(len(label)))
    assert found <= cheapest + 1e-6 or (probability == 1).any()


def test_dear_investigations_review_nothing_and_free_ones_everything() -> None:
    probability, label = floats(0.1, 0.2, 0.9), np.array([False, False, True])
    amount = np.array([10.0, 10.0, 100.0])
    dear = COSTS.model_copy(update={"investigation_cost": 1e6, "wrong_decline_cost": 1e6})
    assert choose(probability, ~(label | True), amount, 1, dear).review > 0.9
    # Free looks lose nothing: every row is worth one as soon as a fraud scores lowest.
    free = COSTS.model_copy(update={"investigation_cost": 0.0, "review_recovery_share": 1.0})
    assert choose(probability, probability < 0.15, amount, 1, free).review <= np.float32(0.1)


def test_large_amounts_are_worth_a_review_where_small_ones_are_not() -> None:
    chance = np.random.default_rng(3)
    probability = chance.random(5_000).astype(np.float32) ** 4
    label = chance.random(5_000) < probability
    small, large = np.full(5_000, 10.0), np.full(5_000, 1_000.0)
    assert (
        choose(probability, label, large, 7, COSTS).review
        < choose(probability, label, small, 7, COSTS).review
    )


def test_the_rationale_of_costs_tells_the_matrix_the_alerts_and_both_costs() -> None:
    probability, label = floats(0.9, 0.8, 0.5, 0.1), np.array([True, False, True, False])
    amount = np.array([500.0, 20.0, 100.0, 20.0])
    rationale = choose(probability, label, amount, 2.0, COSTS, "PEN").rationale
    for part in (
        "loses 100 % of its amount",
        "a review costs 5 PEN and saves 80 % of that loss",
        "a wrongly declined customer costs 30 PEN and 10 % of the amount",
        # Declined: the first; reviewed: the second and the third. 0 + 5 + 25 over 2 days; 600 were stolen.
        "cost 15.00 a day, against 300.00 for doing nothing, with 1.0 reviews and 0.5 declines a day",
        "By its probabilities",
    ):
        assert part in rationale


def test_costs_a_day_are_given_for_thresholds_of_any_method() -> None:
    label, probability = np.array([True, False]), floats(0.9, 0.1)
    chosen = Thresholds(review=0.5, decline=0.95, rationale="")
    figures = costs_per_day(label, probability, np.array([100.0, 1.0]), 2.0, chosen, ThresholdSettings())
    found = {name: figure(np.ones(2)) for name, figure in figures.items()}
    assert found == {"cost_per_day": (15 + 10) / 2, "cost_per_day_of_doing_nothing": 50.0}
