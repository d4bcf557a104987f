from __future__ import annotations

import re
from pathlib import Path

from server.telemetry.document import __file__ as _of_metrics
from trainer.evaluation.bootstrap import Interval
from trainer.settings.config import TrainerSettings
from trainer.validation.monitoring import Monitoring, Watch, monitoring

METRICS = {
    "alerts_per_day": 30.0, "expected_calibration_error": 0.00123, "precision": 0.4, "recall": 0.75,
    "rows": 10_000.0, "frauds": 50.0,
}  # fmt: skip
INTERVALS = {"precision": Interval(0.4, 0.3, 0.5), "recall": Interval(0.75, float("nan"), float("nan"))}


def plan(**settings: object) -> Monitoring:
    found = TrainerSettings.model_validate(settings)
    return monitoring(found, "2024-03-22T00:00:00+00:00", 14, METRICS, INTERVALS, "old")


def watch(of: Monitoring, what: str) -> Watch:
    (found,) = [each for each in of.watches if each.what == what]
    return found


def test_days_are_counted_from_the_end_of_the_test_window() -> None:
    assert (plan().review_by, plan().retire_by) == ("2024-06-20", "2025-03-22")
    sooner = plan(card={"review_after_days": 10, "retire_after_days": 40, "owner": "Riesgos"})
    assert (sooner.review_by, sooner.retire_by, sooner.who) == ("2024-04-01", "2024-05-01", "Riesgos")
    assert "40 days after" in sooner.retire_when[0]


def test_limits_are_those_of_the_settings_and_of_the_figures() -> None:
    found = plan(gate={"max_psi": 0.3, "max_calibration_error": 0.05, "max_drifted_importance": 0.5})
    assert watch(found, "drift of the inputs").limit.startswith("one above 0.3 (watch from 0.1)")
    assert "50 % of the importance" in watch(found, "drift of the inputs").limit
    assert watch(found, "calibration").limit == "above 0.05"
    assert watch(found, "calibration").expected == "0.0012"
    assert watch(found, "alerts a day").limit == "below 20 or above 45 on three days running"
    assert watch(found, "precision of the alerts").limit == "below 30.0\u00a0% twice running"
    assert watch(found, "recall").limit == "not to be told: too little was seen"
    assert watch(found, "share of fraud reported").expected == "0.5\u00a0%"


def test_the_way_back_is_named() -> None:
    assert "go back to old" in " ".join(plan().retire_when)
    alone = monitoring(TrainerSettings(), "2024-03-22T00:00:00+00:00", 14, METRICS, INTERVALS, "")
    assert "go back to rules" in " ".join(alone.retire_when)


def test_metrics_that_are_to_be_watched_are_those_of_the_server() -> None:
    page = (Path(_of_metrics).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    named = {name for each in plan().watches for name in re.findall(r"`(kuntur_\w+)`", each.measure)}
    assert len(named) == 3
    assert all(f"`{name}`" in page for name in named)
