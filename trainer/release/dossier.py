"""The documents of a bundle: what a run found, put together for the validator and the regulator.

Each part is made where it belongs; here they only come together under their file names.
"""

from __future__ import annotations

import json
from typing import Any

from trainer.card import Evidence, TestWindow, documents
from trainer.checks import CheckReport
from trainer.dataset.training_set import Dataset
from trainer.dataset.windows import Windows
from trainer.evaluation.evaluate import INTERVAL_NOTE
from trainer.gate import Champion, failed_tests
from trainer.leakage import LeakageReport
from trainer.origin import git_revision, library_versions
from trainer.release.candidate import ServedModel
from trainer.release.examination import Examination
from trainer.release.publish import Candidate, feature_document
from trainer.search.result import Choice, SearchResult, trials_as_json
from trainer.settings.config import DataSettings, TrainerSettings
from trainer.sources.postgres import source_name
from trainer.sources.quality import quality_profile
from trainer.sources.source import Source

_REASONS = {
    "xgboost": "Exact path-dependent TreeSHAP over all trees (Lundberg and others, 2020); contributions and "
    "base add up to the model's margin.",
    "random_forest": "Exact path-dependent TreeSHAP over all trees (Lundberg and others, 2020), brought to "
    "log-odds by the calibration's slope.",
    "logistic_regression": "Weight times distance from the mean, which for a linear model is exact.",
}


def dossier(
    version: str,
    candidate: Candidate,
    model: ServedModel,
    found: Examination,
    searched: SearchResult,
    choice: Choice,
    source: Source,
    dataset: Dataset,
    rows: Windows,
    checks: CheckReport,
    leakage: LeakageReport,
    settings: TrainerSettings,
) -> dict[str, bytes]:
    """Returns the documents by file name. version: name of the bundle."""
    plain_settings = settings.model_dump(mode="json", exclude={"hash_key"})
    quality = quality_profile(source.table, source.losses)
    test = rows.test
    evidence = Evidence(
        model_version=version,
        algorithm=candidate.algorithm,
        parameters=candidate.parameters,
        feature_names=model.feature_names,
        card=settings.card,
        window=candidate.window,
        data_hash=candidate.data_hash,
        time_zone=candidate.time_zone,
        row_count=candidate.row_count,
        fraud_count=candidate.fraud_count,
        metrics=candidate.metrics,
        thresholds=candidate.thresholds,
        test=TestWindow(
            label=test.label,
            probability=found.probability,
            amount=test.amount,
            days=settings.split.test_days,
            currency=dataset.currency,
        ),
        sources=_sources(settings.data),
        importance=model.importance,
        intervals={name: (i.value, i.low, i.high) for name, i in found.intervals.items()},
        interval_note=INTERVAL_NOTE,
        quality=quality,
        checks=checks.document(),
        trials=_trials(searched, choice),
        choice=choice.text,
        calibration=model.calibration.describe(),
        parity=candidate.parity,
        leakage=leakage.document(),
        drift=[moved.document() for moved in found.drifts],
        segments=[segment.document() for segment in found.segments],
        verdict=found.verdict.document(),
        live_version=candidate.replaces,
        champion=found.champion.manifest if isinstance(found.champion, Champion) else None,
        champion_metrics=found.champion_metrics,
        traces=_traces(version, found, leakage),
        reasons=_REASONS.get(candidate.algorithm, "") if model.explanation is not None else "",
        latency_us_per_row=candidate.metrics["microseconds_a_row_single"],
        settings=plain_settings,
        library_versions=library_versions(),
        git_revision=git_revision(),
    )
    return documents(evidence) | {
        "search.json": trials_as_json(searched),
        "features.json": feature_document(model.feature_names, model.importance),
        "quality.json": _json(quality),
        "checks.json": checks.as_json(),
        "leakage.json": _json(leakage.document()),
        "drift.json": _json([moved.document() for moved in found.drifts]),
        "verdict.json": _json(found.verdict.document()),
        "settings.json": _json(plain_settings),
    }


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
