"""The story of a backtest, in this process: what may be looked at when, and what comes out."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score

from tests.unit.trainer.backtest.small import (
    DAY_US,
    DELAY,
    RECIPE,
    bank,
    day,
    history,
    rounds,
    settings,
    with_rows,
)
from trainer.backtest.choosing import Chosen
from trainer.backtest.folds import cut_folds
from trainer.backtest.holdout import hold_out, newest_rows
from trainer.backtest.output.document import as_json, document
from trainer.backtest.raw_columns import raw_columns
from trainer.backtest.run import Round, account_numbers, scored_rows
from trainer.backtest.summary import Summary, summarise
from trainer.settings.data import SplitSettings
from trainer.sources.split import TooLittleHistoryError

TABLE, DATASET = bank()
CHOSEN = [Chosen(RECIPE)] * 2


@pytest.fixture(scope="module")
def run() -> list[Round]:
    return rounds(TABLE, DATASET)


@pytest.fixture(scope="module")
def summary(run: list[Round]) -> Summary:
    return summarise(run, settings().backtest, lambda *_: None)


def settled(one: Round) -> list[object]:
    """What was settled before the test."""
    return [(judged.thresholds, json.dumps(judged.calibration)) for judged in one.judged.values()]


def test_the_recipe_ranks_better_than_each_baseline_that_knows_less(summary: Summary) -> None:
    found = {name: figures["average_precision"].mean.value for name, figures in summary.figures.items()}
    assert list(found) == ["recipe", "constant", "amount", "logistic_regression", "plain_xgboost"]
    assert found["recipe"] > 2 * max(found["constant"], found["amount"], found["plain_xgboost"])
    gain = summary.gains["plain_xgboost"]["average_precision"]
    assert gain.value == pytest.approx(found["recipe"] - found["plain_xgboost"])
    assert 0 < gain.low < gain.value < gain.high


def test_calibration_and_thresholds_do_not_know_the_test(run: list[Round]) -> None:
    test = np.concatenate([one.fold.test for one in run])
    first = run[0].fold.test_start_us
    chance = np.random.default_rng(5)
    # Features, amounts and labels of the first fold's test and of all that follows are others.
    later = np.flatnonzero(DATASET.event_time_us >= first)
    changed = with_rows(
        DATASET,
        later,
        features=chance.normal(size=(len(later), 5)),
        amount=chance.gamma(2, 40, len(later)),
        is_fraud=chance.random(len(later)) < 0.1,
    )
    again = rounds(TABLE, changed, settings(train_start=[run[0].fold.train_start]))
    assert settled(again[0]) == settled(run[0])
    assert len(test) == len(set(test.tolist()))


def test_scores_of_a_fold_do_not_know_labels_that_were_reported_later(run: list[Round]) -> None:
    fold = run[0].fold
    unreported = np.flatnonzero(DATASET.event_time_us > fold.test_start_us - DELAY * DAY_US)
    changed = with_rows(DATASET, unreported, is_fraud=~DATASET.is_fraud[unreported])
    chosen = settings(train_start=[fold.train_start], remove_known=False)
    before, after = (rounds(TABLE, data, chosen)[0].judged for data in (DATASET, changed))
    for name, judged in before.items():
        assert np.array_equal(judged.scored.score, after[name].scored.score)
        assert not np.array_equal(judged.scored.label, after[name].scored.label)


def test_the_alert_budget_holds_on_the_days_held_out_only(run: list[Round]) -> None:
    for one in run:
        assert one.holdout.rows[-1] <= one.fold.training[-1]
        assert one.holdout.first > one.fold.training[0]
        assert not set(one.holdout.rows.tolist()) & set(one.fold.test.tolist())


def test_days_held_out_are_a_third_of_what_is_learnt_from_at_the_most() -> None:
    told = history(TABLE, DATASET)
    for training_days, held in ((None, 6), (18, 6), (9, 3), (2, 1)):
        split = SplitSettings(warm_up_days=0, training_days=training_days)
        fold = cut_folds(told, settings().backtest, split, DELAY)[-1]
        known = DATASET.labels_at(fold.test_start_us)
        found = hold_out(fold, told, known, settings().backtest, DELAY)
        assert found.days == held
        assert DATASET.event_time_us[found.first] >= fold.train_end_us - held * DAY_US
        assert DATASET.event_time_us[found.first - 1] < fold.train_end_us - held * DAY_US


def test_cards_known_to_be_compromised_leave_the_days_held_out_as_they_leave_the_test() -> None:
    told = history(TABLE, DATASET)
    (fold,) = cut_folds(told, settings(folds=1).backtest, SplitSettings(warm_up_days=1), DELAY)
    known = DATASET.labels_at(fold.test_start_us)
    kept = hold_out(fold, told, known, settings().backtest, DELAY)
    everyone = hold_out(fold, told, known, settings(remove_known=False).backtest, DELAY)
    left = set(everyone.rows.tolist()) - set(kept.rows.tolist())
    assert left
    for row in left:
        same = (told.account == told.account[row]) & known
        assert (told.event_time_us[same] <= told.event_time_us[row] - DELAY * DAY_US).any()


def test_no_fraud_to_calibrate_on_is_told() -> None:
    told = history(TABLE, DATASET)
    (fold,) = cut_folds(told, settings(folds=1).backtest, SplitSettings(warm_up_days=1), DELAY)
    with pytest.raises(TooLittleHistoryError, match=r"calibration .* of which 0 are known frauds"):
        hold_out(fold, told, np.zeros(len(DATASET), dtype=np.bool_), settings().backtest, DELAY)


def test_scored_rows_give_the_figures_back(run: list[Round], summary: Summary) -> None:
    scored = scored_rows(TABLE, run)
    assert scored.columns == [
        "fold",
        "event_time",
        "account_id",
        "transaction_id",
        "fraud_probability",
        "is_fraud",
    ]
    assert scored["transaction_id"].is_unique().all()
    truth = scored.join(TABLE.frame.select("transaction_id", "is_fraud", "account_id"), on="transaction_id")
    assert (truth["is_fraud"] == truth["is_fraud_right"]).all()
    assert (truth["account_id"] == truth["account_id_right"]).all()
    for number, figure in enumerate(summary.figures["recipe"]["average_precision"].folds, 1):
        part = scored.filter(pl.col("fold") == number)
        wanted = average_precision_score(part["is_fraud"].to_numpy(), part["fraud_probability"].to_numpy())
        assert figure.value == pytest.approx(wanted, abs=1e-12)


def test_the_same_run_gives_the_same_bytes(run: list[Round], summary: Summary) -> None:
    again = rounds(TABLE, DATASET)
    other = summarise(again, settings().backtest, lambda *_: None)
    assert scored_rows(TABLE, again).equals(scored_rows(TABLE, run))
    first, second = (
        as_json(document(r, s, RECIPE, CHOSEN, {}, settings())) for r, s in ((run, summary), (again, other))
    )
    assert first == second


def test_the_document_holds_each_figure_with_its_interval(run: list[Round], summary: Summary) -> None:
    found = json.loads(as_json(document(run, summary, RECIPE, CHOSEN, {"rows": 4_000}, settings())))
    assert (
        found["figures"]["recipe"]["auc_roc"]["mean"]["low"]
        < found["figures"]["recipe"]["auc_roc"]["mean"]["value"]
    )
    assert found["figures"]["constant"]["decline_precision"]["mean"]["value"] is None  # it never alerts
    assert found["figures"]["recipe"]["expected_calibration_error"]["mean"]["low"] is None
    assert [fold["test_rows"] for fold in found["folds"]] == [len(one.fold.test) for one in run]
    assert found["recipe"] == RECIPE


def test_mean_and_deviation_are_over_the_folds(summary: Summary) -> None:
    figure = summary.figures["recipe"]["auc_roc"]
    values = [fold.value for fold in figure.folds]
    assert figure.mean.value == pytest.approx(np.mean(values))
    assert figure.std == pytest.approx(np.std(values))


def test_accounts_are_numbered_by_their_ids() -> None:
    def numbers(ids: list[str]) -> list[int]:
        return account_numbers(pl.DataFrame({"institution_id": [""] * len(ids), "account_id": ids})).tolist()

    assert numbers(["10", "9", "10", "-1"]) == [2, 1, 2, 0]
    assert numbers(["10", "9", "x"]) == [0, 1, 2]  # as text
    assert numbers(["010", "9"]) == [0, 1]  # no number would be written so


def test_raw_columns_are_those_of_the_file_that_vary_without_label_and_id() -> None:
    found = raw_columns(TABLE.frame, "America/Lima")
    assert found.shape == (4_000, 6)  # hour, weekday, account, amount, channel, merchant
    merchant = found[:, -1]
    assert np.array_equal(np.isnan(merchant), (TABLE.frame["merchant_id"] == "").to_numpy())
    for column in found.T:
        assert abs(np.corrcoef(np.nan_to_num(column), DATASET.is_fraud)[0, 1]) < 0.1


def test_a_start_before_the_data_is_told() -> None:
    with pytest.raises(TooLittleHistoryError, match="may start from"):
        rounds(TABLE, DATASET, settings(train_start=[day(-3)]))


def test_thresholds_by_rank_keep_to_the_budget_just_before_the_test(run: list[Round]) -> None:
    chosen = settings()
    by_rank = chosen.model_copy(
        update={"thresholds": chosen.thresholds.model_copy(update={"method": "rank"})}
    )
    for before, after in zip(run, rounds(TABLE, DATASET, by_rank), strict=True):
        assert "newest days" in after.judged["recipe"].thresholds.rationale
        assert after.judged["recipe"].thresholds.review != before.judged["recipe"].thresholds.review
        assert np.array_equal(after.judged["recipe"].scored.score, before.judged["recipe"].scored.score)


def test_newest_rows_lie_between_training_and_test_without_the_cards_that_were_known() -> None:
    told = history(TABLE, DATASET)
    (fold,) = cut_folds(told, settings(folds=1).backtest, SplitSettings(warm_up_days=1), DELAY)
    known = DATASET.labels_at(fold.test_start_us)
    kept, everyone = (
        newest_rows(fold, told, known, settings(remove_known=removed).backtest, DELAY)
        for removed in (True, False)
    )
    time = DATASET.event_time_us
    assert np.array_equal(everyone, np.flatnonzero((time >= fold.train_end_us) & (time < fold.test_start_us)))
    assert 0 < len(kept) < len(everyone)
