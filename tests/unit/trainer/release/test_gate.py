from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from kuntur.bundle.bundle import Registry
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, read
from kuntur.time_zone import time_zone
from tests.support.bundles import (
    FEATURES,
    constant_model,
    endless_model,
    huge_model,
    linear_model,
    publish,
    publish_model,
    publish_refitted,
)
from trainer.confined.model import RunLimits
from trainer.dataset.features import Features
from trainer.dataset.training_set import build
from trainer.evaluation.drift import drift
from trainer.evaluation.segments import Segment
from trainer.gate import Challenger, Champion, JudgingWindow, NoChampion, Verdict, judge, live_champion
from trainer.settings.judging import GateSettings
from trainer.synthetic import SyntheticConfig, generate

ROWS = 6_000
TRUE, WEAKER, BIAS = (1.2, 0.8, 1.0, 1.5), (1.2, 0.0, 1.0, 0.5), -5.0
DAY_US = 86_400_000_000
SETTINGS = GateSettings(replicates=120)


def microseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1e6)


def window(start: str = "2024-03-20T00:00:00Z", rows: int = ROWS, seed: int = 1) -> JudgingWindow:
    """Seven days in which fraud is drawn with the probability that the weights TRUE give."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(rows, 5)).astype(np.float32)
    log_odds = features[:, :4].astype(np.float64) @ np.array(TRUE) + BIAS
    start_us = microseconds(start)
    return JudgingWindow(
        held=Features.of(features[:, [3, 4, 0, 1, 2]]),  # in another order than the models take them
        names=("attribute.risk_band", "distance_km", "amount", "log_amount", "account_count_24h"),
        event_time_us=start_us + np.sort(chance.integers(0, 7 * DAY_US, rows)),
        label=chance.random(rows) < 1 / (1 + np.exp(-log_odds)),
        amount=chance.lognormal(3, 1, rows),
        account=chance.integers(0, rows // 5, rows),
        segments={
            "channel": Segment(chance.integers(0, 3, rows).astype(np.int32), ("ATM", "ECOMMERCE", "WEB"))
        },
        start_us=start_us,
        end_us=start_us + 7 * DAY_US,
    )


WINDOW = window()


def challenger(weights: tuple[float, ...] = TRUE, version: str = "new", psi_of: float = 0.0) -> Challenger:
    values = np.random.default_rng(3).normal(size=2_000).astype(np.float32)
    return Challenger(
        version,
        linear_model(weights, BIAS),
        FEATURES,
        np.array([0.4, 0.3, 0.2, 0.1]),
        tuple(drift(name, values, values + np.float32(psi_of)) for name in FEATURES[:1]),
        {"rows": 500.0, "max_probability_difference": 1e-7},
    )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def live(
    registry: Registry, weights: tuple[float, ...], version: str = "old", rows: JudgingWindow = WINDOW
) -> Champion | NoChampion:
    publish(registry.path, version, weights=weights, bias=BIAS)
    return live_champion(registry, rows, SETTINGS.limits)


def failed(verdict: Verdict) -> set[str]:
    return {finding.name for finding in verdict.findings if not finding.passed}


def told(verdict: Verdict, name: str) -> str:
    (finding,) = [finding for finding in verdict.findings if finding.name == name]
    return finding.text


def test_a_better_challenger_takes_the_place_of_the_champion(registry: Registry) -> None:
    verdict = judge(challenger(), live(registry, WEAKER), WINDOW, 50, SETTINGS)
    assert (verdict.promoted, verdict.forced, verdict.champion) == (True, False, "old")
    assert verdict.text.startswith("new takes the place of old: it passed every test.")
    assert "FAILED" not in verdict.text
    for part in (
        "average precision: 0.",
        "a difference of +0.",
        "of the stolen money",
        "parity",
        "drift: 0 of 4",
    ):
        assert part in verdict.text
    assert json.loads(json.dumps(verdict.document()))["findings"][1]["figures"]["difference"] > 0.01


def test_a_worse_challenger_is_not_promoted_and_the_verdict_says_why(registry: Registry) -> None:
    verdict = judge(challenger(WEAKER), live(registry, TRUE), WINDOW, 50, SETTINGS)
    assert not verdict.promoted
    assert verdict.text.startswith("new stays a challenger and old stays live, because of: average precision")
    assert "FAILED: average precision: 0." in verdict.text
    assert "a difference of -0." in told(verdict, "average precision")


def test_one_that_is_as_good_stays_a_challenger_unless_the_margin_is_for_renewal(registry: Registry) -> None:
    champion = live(registry, TRUE)
    equal = challenger((1.22, 0.79, 1.0, 1.49))
    verdict = judge(equal, champion, WINDOW, 50, SETTINGS)
    assert failed(verdict) == {"average precision"}
    renewal = SETTINGS.model_copy(update={"margin": -0.02})
    assert judge(equal, champion, WINDOW, 50, renewal).promoted


def test_force_promotes_and_leaves_a_trace_of_what_it_overrode(registry: Registry) -> None:
    champion = live(registry, TRUE)
    verdict = judge(challenger(WEAKER), champion, WINDOW, 50, SETTINGS, force=True)
    assert verdict.promoted
    assert verdict.forced
    assert "by force, against these findings: average precision" in verdict.text
    assert not judge(
        challenger(), live(registry, WEAKER, version="older"), WINDOW, 50, SETTINGS, force=True
    ).forced


def test_a_fall_on_one_channel_stops_a_model_that_is_better_on_the_whole(registry: Registry) -> None:
    # The champion knows what makes fraud at cash machines, the challenger what makes it elsewhere.
    rows = window(seed=5)
    machine = rows.segments["channel"].of("ATM")
    features = rows.held.load()
    of_machine, elsewhere = rows.names.index("account_count_24h"), rows.names.index("attribute.risk_band")
    log_odds = np.where(machine, features[:, of_machine], features[:, elsewhere]) * 3.0 - 5
    label = np.random.default_rng(8).random(len(rows)) < 1 / (1 + np.exp(-log_odds))
    rows = replace(rows, label=label)
    verdict = judge(
        challenger((0, 0, 0.3, 3)), live(registry, (0, 0, 3, 0.3), rows=rows), rows, 50,
        SETTINGS.model_copy(update={"max_calibration_error": 1.0}),
    )  # fmt: skip
    assert failed(verdict) == {"segments"}
    assert "falls by more than 0.05 on channel ATM (-0." in told(verdict, "segments")


def test_probabilities_that_are_off_stop_a_better_model(registry: Registry) -> None:
    off = replace(challenger(), model=linear_model(TRUE, BIAS + 2))
    verdict = judge(off, live(registry, WEAKER), WINDOW, 50, SETTINGS)
    assert failed(verdict) == {"calibration"}
    assert "0.02 is allowed" in told(verdict, "calibration")


def test_drift_counts_by_the_importance_that_it_touches(registry: Registry) -> None:
    champion = live(registry, WEAKER)
    drifted = challenger(psi_of=2.0)
    verdict = judge(drifted, champion, WINDOW, 50, SETTINGS)
    assert failed(verdict) == {"drift"}
    assert "1 of 4 features" in told(verdict, "drift")
    assert "amount (" in told(verdict, "drift")
    assert "carry 40.0% of the importance" in told(verdict, "drift")
    unimportant = replace(drifted, importance=np.array([0.1, 0.3, 0.3, 0.3]))
    assert judge(unimportant, champion, WINDOW, 50, SETTINGS).promoted


def test_a_model_without_a_parity_comparison_is_stopped(registry: Registry) -> None:
    verdict = judge(replace(challenger(), parity={}), live(registry, WEAKER), WINDOW, 50, SETTINGS)
    assert failed(verdict) == {"parity"}


def test_the_first_model_goes_live_and_that_is_said(registry: Registry) -> None:
    verdict = judge(challenger(), live_champion(registry, WINDOW, SETTINGS.limits), WINDOW, 50, SETTINGS)
    assert (verdict.promoted, verdict.forced, verdict.champion) == (True, False, "")
    assert verdict.text.startswith("new goes live without a comparison: the registry has no live model.")


def test_a_first_model_that_fails_its_own_tests_goes_live_and_that_is_said(registry: Registry) -> None:
    off = replace(challenger(), model=linear_model(TRUE, BIAS + 2))
    verdict = judge(off, live_champion(registry, WINDOW, SETTINGS.limits), WINDOW, 50, SETTINGS)
    assert verdict.promoted
    assert (
        "did not pass these tests of its own, which nothing live could do better: calibration" in verdict.text
    )


def test_a_model_that_is_live_already_stays_so(registry: Registry) -> None:
    verdict = judge(challenger(version="old"), live(registry, TRUE), WINDOW, 50, SETTINGS)
    assert verdict.promoted
    assert "it is the model that is live" in verdict.text


def test_a_damaged_a_missing_and_a_foreign_champion_do_not_block(registry: Registry) -> None:
    assert isinstance(live(registry, TRUE), Champion)
    lacking = replace(WINDOW, names=("attribute.other", *WINDOW.names[1:]))
    reasons = [live_champion(registry, lacking, SETTINGS.limits)]
    (registry.bundle_path("old") / "model.onnx").write_bytes(b"nothing")
    reasons.append(live_champion(registry, WINDOW, SETTINGS.limits))
    registry.set_live("vanished")
    reasons.append(live_champion(registry, WINDOW, SETTINGS.limits))
    expected = (
        "needs attribute.risk_band, which these data do not have",
        "SIZE_MISMATCH",
        "there is no bundle",
    )
    for found, part in zip(reasons, expected, strict=True):
        assert isinstance(found, NoChampion)
        assert part in found.reason
        verdict = judge(challenger(), found, WINDOW, 50, SETTINGS)
        assert verdict.promoted
        assert part in verdict.text


@pytest.mark.parametrize(
    ("model", "limits", "part"),
    [
        (endless_model(4), RunLimits(seconds=2.0), "cannot be run (it was not done after 2 s)"),
        (huge_model(4), RunLimits(bytes=1 << 30), "cannot be run ("),
        (constant_model(np.nan, 4), RunLimits(), "gives some rows scores that are not numbers"),
        (linear_model((1.0, 2.0)), RunLimits(), "cannot be run ("),
    ],
    ids=["endless", "huge", "no numbers", "of other inputs"],
)
def test_a_champion_that_cannot_be_run_within_its_limits_does_not_block(
    registry: Registry, model: bytes, limits: RunLimits, part: str
) -> None:
    publish_model(registry.path, "old", model)
    found = live_champion(registry, WINDOW, limits)
    assert isinstance(found, NoChampion)
    assert part in found.reason
    verdict = judge(challenger(), found, WINDOW, 50, SETTINGS)
    assert verdict.promoted
    assert part in verdict.text


def test_one_that_fails_its_own_tests_does_not_replace_a_live_model_that_cannot_be_compared(
    registry: Registry,
) -> None:
    live(registry, TRUE)
    (registry.bundle_path("old") / "model.onnx").write_bytes(b"nothing")
    found, unchecked = live_champion(registry, WINDOW, SETTINGS.limits), replace(challenger(), parity={})
    verdict = judge(unchecked, found, WINDOW, 50, SETTINGS)
    assert (verdict.promoted, verdict.forced) == (False, False)
    assert verdict.text.startswith("new stays a challenger and old stays live, because of: parity.")
    assert "SIZE_MISMATCH" in verdict.text
    forced = judge(unchecked, found, WINDOW, 50, SETTINGS, force=True)
    assert (forced.promoted, forced.forced) == (True, True)
    assert "by force, against these findings: parity" in forced.text


def test_a_champion_that_learnt_from_part_of_the_window_is_compared_on_the_rest(registry: Registry) -> None:
    # The bundle's training ends on the first of March, its validation on the first of April.
    rows = window("2024-02-27T00:00:00Z")
    verdict = judge(challenger(), live(registry, WEAKER, rows=rows), rows, 50, SETTINGS)
    learnt = rows.event_time_us < microseconds("2024-03-01T00:00:00Z")
    fairness = told(verdict, "comparison")
    assert f"on {int((~learnt).sum()):,} transactions" in fairness
    assert "the champion learnt from transactions until 2024-03-01" in fairness
    assert "can only favour it" in fairness
    assert verdict.promoted


def test_a_champion_that_learnt_from_the_whole_window_stays(registry: Registry) -> None:
    rows = window("2024-02-10T00:00:00Z")
    verdict = judge(challenger(), live(registry, WEAKER, rows=rows), rows, 50, SETTINGS)
    assert failed(verdict) == {"comparison"}
    assert "on 0 transactions" in told(verdict, "comparison")
    assert "average precision" not in {finding.name for finding in verdict.findings}


def test_a_handful_of_frauds_decides_nothing(registry: Registry) -> None:
    rows = window(rows=300)
    assert 0 < rows.label.sum() < 20
    verdict = judge(challenger(), live(registry, WEAKER, rows=rows), rows, 50, SETTINGS)
    assert failed(verdict) >= {"comparison"}
    assert "at least 20 frauds are needed" in told(verdict, "comparison")


def test_a_verdict_is_the_same_in_every_run(registry: Registry) -> None:
    champion = live(registry, WEAKER)
    first, again = (judge(challenger(), champion, WINDOW, 50, SETTINGS).document() for _ in range(2))
    assert first == again


def test_a_window_of_a_data_set_holds_its_rows_with_the_labels_that_were_known(tmp_path: Path) -> None:
    config = SyntheticConfig(transactions=1_000, accounts=100, merchants=400, days=30, fraud_rate=0.1)
    path = tmp_path / "transactions.parquet"
    generate(config).drop("fraud_cause").write_parquet(path)
    dataset = build(
        read([str(path)], Mapping.load("kuntur")), secret_from_hex(DEFAULT_HASH_KEY), lambda _: None
    )
    rows = np.arange(300, 400)
    start_us, end_us = (int(dataset.event_time_us[row]) for row in (300, 400))
    found = JudgingWindow.of(dataset, rows, start_us, end_us, until_us=end_us)
    assert found.names == dataset.names
    assert np.array_equal(found.account, dataset.account[300:400])
    assert found.label.sum() < dataset.is_fraud[300:400].sum()  # the rest was reported later
    assert found.days == pytest.approx((end_us - start_us) / DAY_US)
    later = found.since(int(dataset.event_time_us[350]))
    assert len(later) == 50
    assert later.segments["channel"].code.tolist() == dataset.segments["channel"].code[350:400].tolist()


def test_a_live_model_of_another_time_zone_is_no_champion(registry: Registry) -> None:
    publish(registry.path, "old", weights=TRUE, bias=BIAS, features=("hour", *FEATURES[1:]))
    of_madrid = replace(
        WINDOW, names=(*WINDOW.names[:2], "hour", *WINDOW.names[3:]), zone=time_zone("Europe/Madrid")
    )
    found = live_champion(registry, of_madrid, SETTINGS.limits)
    assert isinstance(found, NoChampion)
    assert "feature 'hour' was trained in the time zone America/Lima" in found.reason
    assert isinstance(
        live_champion(registry, replace(of_madrid, zone=time_zone()), SETTINGS.limits), Champion
    )


def refitted(registry: Registry, judged: tuple[float, ...], served: tuple[float, ...], until: str) -> None:
    """Publishes a live model whose judged fit learnt until March and whose served one until a later day."""
    registry.path.mkdir()
    publish_refitted(registry.path, "old", judged=judged, served=served, bias=BIAS, until=until)


def test_fits_that_were_judged_are_compared_on_the_whole_window_although_the_served_one_knows_it(
    registry: Registry,
) -> None:
    # The champion's served fit learnt up to the new window, or into it, as in a renewal each few days; its
    # judged one is as old as the challenger's judged one will be then.
    refitted(registry, judged=WEAKER, served=TRUE, until="2024-03-25T00:00:00Z")
    champion = live_champion(registry, WINDOW, SETTINGS.limits)
    assert isinstance(champion, Champion)
    assert champion.thresholds.review == 0.25
    verdict = judge(challenger(), champion, WINDOW, 50, SETTINGS)
    assert verdict.promoted
    assert f"on {len(WINDOW):,} transactions" in told(verdict, "comparison")
    assert "both by the fits that were judged" in told(verdict, "comparison")


def test_a_challenger_that_is_served_as_judged_meets_what_the_champion_serves_on_rows_unknown_to_it(
    registry: Registry,
) -> None:
    refitted(registry, judged=WEAKER, served=TRUE, until="2024-03-25T00:00:00Z")
    champion = live_champion(registry, WINDOW, SETTINGS.limits, served=True)
    assert isinstance(champion, Champion)
    assert champion.thresholds.review == 0.5
    verdict = judge(challenger(), champion, WINDOW, 50, SETTINGS)
    unseen = int((WINDOW.event_time_us >= microseconds("2024-03-25T00:00:00Z")).sum())
    assert f"on {unseen:,} transactions" in told(verdict, "comparison")
    assert "the champion learnt from transactions until 2024-03-25" in told(verdict, "comparison")
    assert failed(verdict) == {"average precision"}  # it is as good as what is served, no better


def test_a_champion_whose_judged_fit_is_damaged_does_not_block(registry: Registry) -> None:
    refitted(registry, judged=WEAKER, served=TRUE, until="2024-03-25T00:00:00Z")
    path = registry.bundle_path("old") / "judged.onnx"
    path.write_bytes(path.read_bytes()[::-1])
    found = live_champion(registry, WINDOW, SETTINGS.limits)
    assert isinstance(found, NoChampion)
    assert "HASH_MISMATCH" in found.reason
