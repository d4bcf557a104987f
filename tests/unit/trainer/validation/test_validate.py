"""All of it on a small run: folds, benchmark, sensitivity, and the document and the page that they make."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.trainer.card.card_evidence import full
from tests.unit.trainer.samples import Heard
from trainer.card import ValidationDocument, documents, validation_document
from trainer.card.schema import Validation
from trainer.dataset.windows import judging_rows
from trainer.evaluation.evaluate import average_precision
from trainer.validation import validate
from trainer.validation.benchmark import SIMPLE_FEATURES, benchmark
from trainer.validation.folds import Folds, earlier_folds
from trainer.validation.sensitivity import ATTRIBUTES, sensitivity, source_columns

from .small import SETTINGS, small_case, small_figures

DAY_US = 86_400_000_000


def microseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1e6)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    case = small_case()
    settings = SETTINGS.model_copy(update={"registry": tmp_path_factory.mktemp("empty") / "registry"})
    metrics, intervals = small_figures()
    importance = np.linspace(1, 0, len(case.model.feature_names))
    found = validate(replace(case, settings=settings), metrics, intervals, importance, "own", "old", Heard())
    return found.document()


@pytest.fixture(scope="module")
def folds() -> Folds:
    """As many folds as the data allow."""
    return earlier_folds(small_case(), small_figures()[0], 40, Heard())


def test_the_document_and_the_page_hold_all_of_it(document: dict[str, Any]) -> None:
    files = documents(full(validation=document))
    found = ValidationDocument.model_validate_json(files["validation.json"])
    assert found.validation is not None
    assert len(found.validation.folds.folds) == 2
    assert found.validation.folds.missing == ""
    page = files["model_card.html"].decode()
    for title in ("What the missed have in common", "A field that does not come", "When it has to go"):
        assert title in page
    assert "Fraud analytics" in page
    assert page.count('class="plot"') == 8 + 3  # folds, misses, calibration; one version has no history
    written = json.loads(files["validation.json"])["validation"]
    assert list(written) == list(Validation.model_fields)
    # The document keeps every digit, the page shows few.
    area = written["benchmark"]["contenders"][0]["figures"]["average_precision"]["value"]
    assert area == small_figures()[0]["average_precision"]
    assert f"{area:.3f}" in page
    assert str(area) not in page


def test_the_same_case_gives_the_same_document(document: dict[str, Any], tmp_path: Path) -> None:
    case, (metrics, intervals) = small_case(), small_figures()
    settings = SETTINGS.model_copy(update={"registry": tmp_path / "none"})
    importance = np.linspace(1, 0, len(case.model.feature_names))
    again = validate(replace(case, settings=settings), metrics, intervals, importance, "own", "old", Heard())
    assert validation_document(full(validation=again.document())) == validation_document(
        full(validation=document)
    )


def test_folds_are_the_run_moved_back_by_whole_test_windows(folds: Folds) -> None:
    case = small_case()
    assert [fold.back for fold in folds.folds] == list(range(1, len(folds.folds) + 1))
    for fold in folds.folds:
        start_us, end_us = microseconds(fold.test_start), microseconds(fold.test_end)
        assert start_us + fold.back * 6 * DAY_US == case.split.test_start_us
        assert end_us == start_us + 6 * DAY_US
        first, last = np.searchsorted(case.dataset.event_time_us, [start_us, end_us])
        assert fold.rows == last - first
        assert 0 < fold.figures["average_precision"].value <= 1
    spread = folds.spread["average_precision"]
    values = [fold.figures["average_precision"].value for fold in folds.folds]
    assert spread.mean == pytest.approx(np.mean(values))
    assert (spread.least, spread.most) == (min(values), max(values))
    assert spread.deviation == pytest.approx(np.std(values, ddof=1))
    assert spread.test == small_figures()[0]["average_precision"]


def test_a_fold_knows_no_label_that_came_after_it(folds: Folds) -> None:
    case = small_case()
    known = case.dataset.labels_at(case.until_us - 6 * DAY_US)
    found = folds.folds[0]
    first = int(np.searchsorted(case.dataset.event_time_us, microseconds(found.test_start)))
    assert found.frauds == known[first : first + found.rows].sum()


def test_no_folds_are_made_where_none_are_asked_for_or_the_data_end(folds: Folds) -> None:
    none = earlier_folds(small_case(), small_figures()[0], 0, Heard())
    assert (none.folds, none.spread) == ((), {})
    assert "card.folds = 0" in none.missing
    assert 2 <= len(folds.folds) < 40
    assert folds.missing.startswith(f"40 were asked for, the data allow {len(folds.folds)}: ")


def test_the_model_is_compared_with_rules_and_a_straight_line() -> None:
    case, (metrics, intervals) = small_case(), small_figures()
    found = benchmark(case, metrics, intervals)
    by_name = {each.name: each for each in found.contenders}
    assert list(by_name) == ["model", "amount", "departure from habit", "logistic regression"]
    assert found.fraud_share == case.rows.test.label.mean()
    amount = case.rows.test.features[:, case.names.index("log_amount")]
    rule = by_name["amount"]
    assert rule.figures["auc_roc"].value == pytest.approx(_auc(case.rows.test.label, amount))
    for each in found.contenders[1:]:
        assert each.gain is not None
        own = metrics["average_precision"] - each.figures["average_precision"].value
        assert each.gain.value == pytest.approx(own, abs=0.02)  # probabilities in float32 tie some margins
        assert each.gain.low <= each.gain.value <= each.gain.high
    assert by_name["model"].gain is None
    few = sum(name in case.names for name in SIMPLE_FEATURES)
    assert f"on {few} features" in by_name["logistic regression"].text


def _auc(label: np.ndarray, score: np.ndarray) -> float:
    fraud, other = score[label][:, None], score[~label][None]
    return float(((fraud > other) + 0.5 * (fraud == other)).mean())


def test_more_alerts_find_more_and_are_right_less_often() -> None:
    case = small_case()
    found = sensitivity(case)
    raised = int(case.alert.sum())
    assert [round(each.alerts_per_day * 6) for each in found.alerts] == [
        round(raised / 2),
        raised,
        2 * raised,
    ]
    recall = [each.recall.value for each in found.alerts]
    assert recall == sorted(recall)
    assert found.alerts[1].recall.value == pytest.approx(small_figures()[0]["recall"])
    assert found.alerts[1].precision.value == pytest.approx(small_figures()[0]["precision"])


def test_the_model_is_asked_again_with_inputs_changed_and_unchanged_it_says_the_same() -> None:
    case = small_case()
    found = sensitivity(case)
    assert found.sampled == len(case.rows.test)
    metrics = small_figures()[0]
    assert found.base.average_precision == pytest.approx(metrics["average_precision"])
    assert found.base.recall == pytest.approx(metrics["recall"])
    assert found.base.alerts_per_day == pytest.approx(metrics["alerts_per_day"])
    assert found.base.advice == 0
    without = [each.average_precision for each in found.sources]
    assert without == sorted(without)
    assert without[0] < found.base.average_precision
    assert [each.name for each in found.noise] == ["1 %", "5 %", "20 %"]
    assert all(0 < each.features < len(case.model.feature_names) for each in found.noise)


def test_sources_are_the_features_that_name_their_fields() -> None:
    names = ("amount", "is_new_device", "merchant_count_24h", "attribute.risk", "merchant_risk_30d")
    found = {title: places.tolist() for title, places in source_columns(names)}
    assert found["device"] == [1]
    assert found["merchant"] == [2, 4]
    assert found["reported outcomes"] == [4]
    assert found["history of the account"] == [1]
    assert found[ATTRIBUTES] == [3]
    assert "counterparty" not in found


def test_figures_by_the_time_for_labels_end_at_those_of_the_card() -> None:
    case = small_case()
    found = sensitivity(case).maturity
    assert [each.days for each in found] == [1, 2, 3, 4]
    frauds = [each.frauds for each in found]
    assert frauds == sorted(frauds)
    assert frauds[0] < frauds[-1] == case.rows.test.label.sum()
    assert found[-1].average_precision == pytest.approx(
        average_precision(case.rows.test.label, case.probability)
    )
    early = judging_rows(
        case.dataset, case.split.test, np.zeros(0, dtype=np.intp), case.split.test_end_us + DAY_US
    )
    assert frauds[0] == early.label.sum()


def test_fairness_is_judged_by_attributes_that_the_settings_name_and_the_data_have() -> None:
    case = small_case()
    card = SETTINGS.card.model_copy(update={"fairness": ("account_type", "attribute.region"), "folds": 0})
    settings = SETTINGS.model_copy(update={"card": card, "registry": Path("nowhere")})
    metrics, intervals = small_figures()
    importance = np.ones(len(case.model.feature_names))
    found = validate(
        replace(case, settings=settings), metrics, intervals, importance, "", "", Heard()
    ).fairness
    assert found.absent == ("attribute.region",)
    assert "account_type" in found.found.by  # any feature of the model can be named
    assert {each.name for each in found.found.groups if each.by == "account_type"} <= {
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
    }
    assert "sex" in found.unknown
