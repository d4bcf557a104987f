"""Warnings of the verdict: a share of fraud that moved, and more alerts than are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kuntur.bundle.bundle import Thresholds
from tests.unit.trainer.samples import features, served_model
from trainer.dataset.features import Features
from trainer.dataset.windows import Window
from trainer.gate import Verdict
from trainer.release.change import Newest, Share, change_warnings, moved_share, too_many_alerts
from trainer.settings.config import TrainerSettings
from trainer.settings.judging import ThresholdSettings

SETTINGS = TrainerSettings.model_validate({"thresholds": {"review_alerts_per_day": 20}})


def share(frauds: int, rows: int = 10_000, where: str = "then") -> Share:
    return Share(frauds, rows, where)


@pytest.mark.parametrize(
    ("frauds", "warned"), [(60, False), (115, False), (130, True), (29, True), (31, False)]
)
def test_a_share_that_moved_beyond_the_factor_is_told(frauds: int, warned: bool) -> None:
    lines = list(moved_share(share(60), share(frauds, where="now"), 2.0))
    assert bool(lines) is warned
    if frauds == 130:
        assert lines[0].startswith("the share of fraud now is 1.3")
        assert "2.167 times as much" in lines[0]


def test_a_share_that_may_be_chance_is_not() -> None:
    assert list(moved_share(share(3, 500), share(8, 500), 2.0)) == []


def test_alerts_beyond_the_budget_are_told_where_there_is_one() -> None:
    budget = ThresholdSettings(review_alerts_per_day=50)
    assert list(too_many_alerts(75, 7, budget)) == []
    (line,) = too_many_alerts(89, 7, budget)
    assert "89.0 alerts a day, and 50 are asked for" in line
    assert list(too_many_alerts(89, 7, budget.model_copy(update={"method": "cost"}))) == []


def window(frauds: int, rows: int = 1_000) -> Window:
    label = np.arange(rows) < frauds
    return Window(Features.of(features(rows)), label, np.ones(rows))


def test_the_verdict_tells_what_moved_and_hangs_on_none_of_it() -> None:
    newest = Newest(window(0), 7.0)
    eager = served_model(thresholds=Thresholds(review=0.01, decline=0.9, rationale="budget"))
    found = change_warnings(eager, window(20), window(90), window(300), newest, SETTINGS)
    assert [line.split(" is ")[0] for line in found[:1]] == ["the share of fraud on the test window"]
    assert any("alerts a day, and 20 are asked for" in line for line in found)
    verdict = Verdict(True, False, "old", (), "new takes the place of old").with_warnings(found)
    assert verdict.promoted
    assert verdict.text.count("\nwarning: ") == len(found)
    assert verdict.document()["warnings"] == found
    assert replace(verdict, warnings=()).with_warnings(()).text == verdict.text


def test_without_newer_rows_only_the_windows_are_compared() -> None:
    calm = change_warnings(served_model(), window(20), window(22), window(20), None, SETTINGS)
    assert calm == ()
