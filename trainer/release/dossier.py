"""The documents of a bundle: what a run found, put together for the validator and the regulator.

Each part is made where it belongs; here they only come together under their file names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Manifest
from kuntur.features import CATALOGUE
from trainer.card import Evidence, documents
from trainer.checks import CheckReport
from trainer.evaluation.evaluate import INTERVAL_NOTE
from trainer.gate import Champion, failed_tests
from trainer.leakage import LeakageReport
from trainer.release.candidate import ServedModel
from trainer.release.examination import Examination
from trainer.search.result import Choice, SearchResult, trials_as_json
from trainer.settings.config import TrainerSettings
from trainer.settings.data import DataSettings
from trainer.sources.postgres import source_name
from trainer.validation import Validation

_REASONS = {
    "xgboost": "Exact path-dependent TreeSHAP over all trees (Lundberg and others, 2020); contributions and "
    "base add up to the model's margin.",
    "random_forest": "Exact path-dependent TreeSHAP over all trees (Lundberg and others, 2020), brought to "
    "log-odds by the calibration's slope.",
    "logistic_regression": "Weight times distance from the mean, which for a linear model is exact.",
}


@dataclass(frozen=True, slots=True)
class DataReport:
    """What was found in the data before anything was fitted; quality: by `quality_profile`."""

    quality: dict[str, Any]
    checks: CheckReport
    leakage: LeakageReport


def dossier(
    manifest: Manifest,
    judged: ServedModel,
    model: ServedModel,
    found: Examination,
    searched: SearchResult,
    choice: Choice,
    data: DataReport,
    settings: TrainerSettings,
    signing_key: str = "",
    validation: Validation | None = None,
) -> dict[str, bytes]:
    """Returns the documents by file name.

    judged: the fit that was examined; model: the one that is served, the same unless it was fitted again;
    signing_key: id of the trainer's, empty where it does not sign; validation: what a validator asks beyond
    the test window.
    """
    plain_settings = settings.model_dump(mode="json", exclude={"hash_key"})
    leakage, drifts = data.leakage.document(), [moved.document() for moved in found.drifts]
    evidence = Evidence(
        manifest=manifest,
        card=settings.card,
        test=found.test,
        sources=_sources(settings.data),
        importance=model.importance,
        intervals={name: (i.value, i.low, i.high) for name, i in found.intervals.items()},
        interval_note=INTERVAL_NOTE,
        quality=data.quality,
        checks=data.checks.document(),
        trials=_trials(searched, choice),
        choice=choice.text,
        calibration=judged.calibration.describe(),
        refit_calibration=None if model is judged else model.calibration.describe(),
        leakage=leakage,
        drift=drifts,
        segments=[segment.document() for segment in found.segments],
        known_accounts=found.known_accounts.document(),
        verdict=found.verdict.document(),
        champion=found.champion.manifest if isinstance(found.champion, Champion) else None,
        champion_metrics=found.champion_metrics,
        traces=_traces(manifest.model_version, found, data.leakage),
        reasons=_REASONS.get(model.algorithm, "") if model.explanation is not None else "",
        settings=plain_settings,
        signing_key=signing_key,
        validation=None if validation is None else validation.document(),
    )
    return documents(evidence) | {
        "search.json": trials_as_json(searched),
        "features.json": feature_document(model.feature_names, model.importance),
        "quality.json": _json(data.quality),
        "checks.json": data.checks.as_json(),
        "leakage.json": _json(leakage),
        "drift.json": _json(drifts),
        "verdict.json": _json(found.verdict.document()),
        "settings.json": _json(plain_settings),
    }


def feature_document(names: tuple[str, ...], importance: npt.NDArray[np.float64]) -> bytes:
    """Returns the features of a model with their descriptions and weight, most important first, as JSON."""
    known = {feature.name: feature for feature in CATALOGUE}
    rows = []
    for place in np.argsort(-importance, kind="stable"):
        name = names[place]
        row: dict[str, Any] = {"name": name, "importance": round(float(importance[place]), 6)}
        if name in known:
            feature = known[name]
            row |= {
                "description": feature.description,
                "unit": feature.unit,
                "source": list(feature.source),
                "why": feature.why,
                "personal_data": feature.personal_data.value,
            }
        rows.append(row)
    return _json(rows)


def _sources(data: DataSettings) -> list[str]:
    if data.journal is not None:
        return [f"a server's journal: {data.journal}"]
    if data.postgres.chosen:
        return [f"{source_name(data.postgres)}, by the mapping {data.mapping}"]
    return [f"{path}, by the mapping {data.mapping}" for path in data.paths]


def _trials(searched: SearchResult, choice: Choice) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(trials_as_json(searched))
    # The chosen trial as it was fitted: a search may settle for fewer rounds than it was best after.
    rows[searched.trials.index(choice.trial)] |= {
        "chosen": True,
        "parameters": choice.parameters,
        "rounds": choice.rounds,
        "average_precision": choice.average_precision,
    }
    return rows


def _traces(version: str, found: Examination, leakage: LeakageReport) -> list[str]:
    traces = [
        f"{column.name} was accepted against the leakage check: {column.leaks}"
        for column in leakage.columns
        if column.leaks and column.accepted
    ]
    failed = failed_tests(found.verdict.findings)
    if failed and found.verdict.promoted and found.live_version != version:
        how = "by force" if found.verdict.forced else "for want of a model to compare with"
        traces.append(f"published live {how}, against: {failed}")
    return traces


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n").encode()
