from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation.review.fairness import fairness
from trainer.evaluation.review.misses import FIRST_OF_WINDOW, REASONS, misses
from trainer.evaluation.segments import Segment

LABEL = np.array([True, True, False, True, True, False])
FOUND = np.array([True, False, True, False, True, False])
AMOUNT = np.array([100.0, 40.0, 7.0, 60.0, 0.0, 9.0])
ACCOUNT = np.array([1, 2, 3, 2, 4, 5])
CHANNEL = Segment(np.array([0, 0, 0, 1, 1, 2], dtype=np.int8), ("ATM", "WEB", "AGENT"))
FEATURES = {
    "account_fraud_count": np.array([0, 0, 0, 0, 2, 0], dtype=np.float32),
    "is_night": np.array([1, 0, 0, 0, 1, 0], dtype=np.float32),
    "is_new_device": np.array([np.nan, 0, 0, 1, 1, 0], dtype=np.float32),
    "account_total_count": np.array([9, 2, 9, np.nan, 9, 9], dtype=np.float32),
}


def test_missed_frauds_and_money_are_those_worked_out_by_hand() -> None:
    found = misses(LABEL, FOUND, AMOUNT, ACCOUNT, {"channel": CHANNEL}, FEATURES)
    assert (found.whole.frauds, found.whole.missed) == (4, 2)
    assert found.whole.missed_share.value == 0.5
    atm, web = found.parts
    assert (atm.name, atm.frauds, atm.missed) == ("ATM", 2, 1)
    assert (web.name, web.frauds, web.missed) == ("WEB", 2, 1)


def test_money_is_told_of_ten_frauds_and_of_none_but_not_of_a_few() -> None:
    label, amount = np.ones(21, dtype=np.bool_), np.arange(21.0)
    ten_missed = np.arange(21) >= 10
    whole = misses(label, ten_missed, amount, np.arange(21), {}, {}).whole
    assert (whole.money, whole.money_missed) == (210, 45)
    few_missed = misses(label, np.arange(21) >= 9, amount, np.arange(21), {}, {}).whole
    assert (few_missed.money, few_missed.money_missed) == (210, None)
    none_missed = misses(label, label, amount, np.arange(21), {}, {}).whole
    assert none_missed.money_missed == 0
    two = Segment((np.arange(21) < 2).astype(np.int8), ("many", "two"))
    many, few = misses(label, label, amount, np.arange(21), {"channel": two}, {}).parts
    assert (many.money, few.money) == (209, None)


def test_reasons_hold_where_the_features_say_so() -> None:
    found = misses(LABEL, FOUND, AMOUNT, ACCOUNT, {}, FEATURES)
    by_name = {reason.name: reason for reason in found.reasons}
    by_day = by_name["by_day"]
    assert (by_day.frauds, by_day.of_missed.value, by_day.of_found.value) == (2, 1.0, 0.0)
    assert (by_day.missed_where.value, by_day.missed_elsewhere.value) == (1.0, 0.0)
    assert by_name["short_history"].frauds == 2  # fewer than 5, and none that is told
    assert by_name["no_device"].of_found.value == 0.5
    assert by_name["known_device"].of_missed.value == 0.5
    first = by_name[FIRST_OF_WINDOW]
    assert (first.frauds, first.of_missed.value, first.of_found.value) == (3, 0.5, 1.0)
    assert found.reasons[0].name in ("by_day", "short_history")
    apart = [reason.of_missed.value - reason.of_found.value for reason in found.reasons]
    assert apart == sorted(apart, reverse=True)
    told = {"no_fraud_of_account", "short_history", "known_device", "no_device", "by_day"}
    assert set(found.untold) == {reason.text for reason in REASONS if reason.name not in told}


def test_where_all_are_found_nothing_is_a_reason_for_missing_them() -> None:
    found = misses(LABEL, np.ones(6, dtype=np.bool_), AMOUNT, ACCOUNT, {}, FEATURES)
    assert found.whole.missed == 0
    assert all(np.isnan(reason.of_missed.value) for reason in found.reasons)


def test_false_alerts_and_recall_of_groups_are_those_worked_out_by_hand() -> None:
    decline = np.array([True, False, False, False, False, False])
    group = Segment(np.array([0, 0, 0, 1, 1, 1], dtype=np.int8), ("SAVINGS", "PREPAID"))
    found = fairness(
        LABEL, FOUND, decline, ACCOUNT, {"account type": group, "one": Segment(group.code * 0, ("x",))}
    )
    assert found.by == ("account type",)
    assert (found.whole.legitimate, found.whole.false_alerts.value, found.whole.recall.value) == (2, 0.5, 0.5)
    savings, prepaid = found.groups
    assert (savings.false_alerts.value, savings.recall.value) == (1.0, 0.5)
    assert (prepaid.false_alerts.value, prepaid.recall.value, prepaid.frauds) == (0.0, 0.5, 2)
    assert savings.false_declines.value == 0
    assert not any(each.more_false_alerts or each.less_recall for each in found.groups)


def test_a_group_is_told_apart_beyond_chance_only() -> None:
    n = 8_000
    chance = np.random.default_rng(2)
    label = chance.random(n) < 0.1
    kind = chance.integers(0, 4, n)
    worse = kind == 3
    alert = np.where(
        label, chance.random(n) < np.where(worse, 0.3, 0.8), chance.random(n) < np.where(worse, 0.2, 0.02)
    )
    groups = {"account type": Segment(kind.astype(np.int8), ("A", "B", "C", "D"))}
    found = fairness(label, alert, alert, np.arange(n), groups)
    assert [each.more_false_alerts for each in found.groups] == [False, False, False, True]
    assert [each.less_recall for each in found.groups] == [False, False, False, True]


def test_equal_groups_are_told_apart_in_few_of_many_draws() -> None:
    n, marked = 2_000, 0
    for seed in range(100):
        chance = np.random.default_rng(seed)
        label, alert = chance.random(n) < 0.2, chance.random(n) < 0.3
        groups = {"g": Segment(chance.integers(0, 8, n).astype(np.int8), tuple("ABCDEFGH"))}
        found = fairness(label, alert, alert, np.arange(n), groups)
        marked += any(each.more_false_alerts for each in found.groups)
    assert marked <= 12


def test_no_known_group_is_no_group() -> None:
    found = fairness(LABEL, FOUND, FOUND, ACCOUNT, {})
    assert found.groups == found.by == ()
    assert found.whole.recall.value == pytest.approx(0.5)
