"""The validator's file as a document that programs read: `documents/validation.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kuntur.features import CATALOGUE
from trainer.card.changes import changes
from trainer.card.curves import operating_points, reliability
from trainer.card.evidence import Evidence
from trainer.card.fits import fits
from trainer.card.known_accounts import known_accounts
from trainer.card.plain import first, number, plain, scalar, without_credentials
from trainer.card.schema import (
    Curves,
    Data,
    Drift,
    DriftBin,
    Evaluation,
    FeatureEntry,
    Finding,
    Gates,
    Interval,
    Model,
    PersonalData,
    Search,
    Threshold,
    Trial,
    Validation,
    ValidationDocument,
    Verdict,
)
from trainer.evaluation.latency import SINGLE_ROWS

_SAID = ("purpose", "limits", "owner", "approver", "contact")
UNKNOWN_CLASS = "unknown"  # of an attribute: only the institution knows what it is
_TRIAL_FIELDS = ("number", "parameters", "average_precision", "chosen")


def validation_document(evidence: Evidence) -> dict[str, Any]:
    """Returns the document as JSON holds it, checked against `ValidationDocument`."""
    document = ValidationDocument(
        model=_model(evidence),
        verdict=_verdict(evidence.verdict),
        changes=changes(evidence),
        data=_data(evidence),
        fits=fits(evidence),
        features=_features(evidence),
        personal_data=_personal_data(evidence),
        search=_search(evidence),
        evaluation=_evaluation(evidence),
        known_accounts=known_accounts(evidence),
        validation=None
        if evidence.validation is None
        else Validation.model_validate(plain(evidence.validation)),
        drift=_drift(evidence.drift),
        gates=Gates(
            calibration=_described(evidence.calibration),
            parity=_described(evidence.manifest.parity or None),
            leakage=_described(evidence.leakage),
            traces=tuple(without_credentials(trace) for trace in evidence.traces),
        ),
    )
    return document.model_dump(mode="json")


def as_json(document: Mapping[str, Any]) -> bytes:
    """Returns a document as bytes: the order of the form, no NaN, UTF-8."""
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _model(evidence: Evidence) -> Model:
    manifest = evidence.manifest
    versions = manifest.library_versions
    return Model(
        version=manifest.model_version,
        algorithm=manifest.algorithm,
        parameters={name: scalar(value) for name, value in manifest.parameters.items()},
        features=len(manifest.features),
        **evidence.card.model_dump(include=set(_SAID)),
        rollback_target=manifest.replaces or None,
        latency_us_per_row=number(manifest.metrics.get(SINGLE_ROWS)),
        git_revision=manifest.git_revision,
        library_versions={name: versions[name] for name in sorted(versions)} or None,
        settings=None if evidence.settings is None else plain(evidence.settings),
        reasons=evidence.reasons,
        signing_key=evidence.signing_key,
    )


def _verdict(verdict: Mapping[str, Any] | None) -> Verdict | None:
    if verdict is None:
        return None
    findings = [
        Finding(
            name=str(finding["name"]),
            passed=bool(finding["passed"]),
            text=str(finding.get("text", "")),
            figures=plain(finding.get("figures") or {}),
        )
        for finding in verdict.get("findings", ())
    ]
    return Verdict(
        promoted=bool(verdict["promoted"]),
        forced=bool(verdict.get("forced", False)),
        champion=str(verdict.get("champion", "")),
        text=str(verdict.get("text", "")),
        findings=tuple(findings),
        warnings=tuple(str(warning) for warning in verdict.get("warnings", ())),
    )


def _data(evidence: Evidence) -> Data:
    return Data(
        sources=tuple(without_credentials(str(source)) for source in evidence.sources),
        data_hash=evidence.manifest.data_hash,
        rows=evidence.manifest.row_count,
        frauds=evidence.manifest.fraud_count,
        window=evidence.manifest.window.model_dump(),
        time_zone=evidence.manifest.time_zone,
        quality=None if evidence.quality is None else plain(evidence.quality),
        checks=_described(evidence.checks),
    )


def _features(evidence: Evidence) -> tuple[FeatureEntry, ...]:
    known = {feature.name: feature for feature in CATALOGUE}
    names, weights = evidence.manifest.feature_names, evidence.importance
    order = range(len(names)) if weights is None else np.argsort(-weights, kind="stable").tolist()
    entries = []
    for rank, place in enumerate(order, start=1):
        feature = known.get(names[place])
        entries.append(
            FeatureEntry(
                name=names[place],
                rank=rank,
                importance=None if weights is None else round(float(weights[place]), 6),
                description="Attribute of the institution" if feature is None else feature.description,
                unit="" if feature is None else feature.unit,
                source=(names[place],) if feature is None else feature.source,
                why="" if feature is None else feature.why,
                personal_data=UNKNOWN_CLASS if feature is None else feature.personal_data.value,
            )
        )
    return tuple(entries)


def _personal_data(evidence: Evidence) -> PersonalData:
    known = {feature.name: feature.personal_data.value for feature in CATALOGUE}
    features: dict[str, int] = {}
    for name in evidence.manifest.feature_names:
        kind = known.get(name, UNKNOWN_CLASS)
        features[kind] = features.get(kind, 0) + 1
    columns: dict[str, tuple[str, ...]] = {}
    for name, column in (evidence.quality or {}).get("columns", {}).items():
        if column.get("missing", 0) < 1:
            kind = str(column.get("personal_data", UNKNOWN_CLASS))
            columns[kind] = (*columns.get(kind, ()), str(name))
    return PersonalData(
        features=dict(sorted(features.items(), key=lambda item: (-item[1], item[0]))),
        columns={kind: columns[kind] for kind in sorted(columns)},
    )


def _search(evidence: Evidence) -> Search | None:
    if evidence.trials is None:
        return None
    trials = list(evidence.trials)
    in_order = all(trial.get("number") is not None for trial in trials)
    if in_order:
        trials.sort(key=lambda trial: int(trial["number"]))
    chosen = _chosen(trials)
    rows = tuple(
        Trial(
            number=place,
            parameters={name: scalar(value) for name, value in trial.get("parameters", {}).items()},
            average_precision=number(trial.get("average_precision")),
            chosen=place == chosen,
            figures={name: plain(value) for name, value in trial.items() if name not in _TRIAL_FIELDS},
        )
        for place, trial in enumerate(trials, start=1)
    )
    return Search(trials=rows, in_order=in_order, choice=evidence.choice)


def _chosen(trials: Sequence[Mapping[str, Any]]) -> int:
    """Returns the place of the trial that says that it was chosen, else of the best; 0 when all failed."""
    for place, trial in enumerate(trials, start=1):
        if trial.get("chosen"):
            return place
    scores = [number(trial.get("average_precision")) for trial in trials]
    best = max((score for score in scores if score is not None), default=None)
    return 0 if best is None else scores.index(best) + 1


def _evaluation(evidence: Evidence) -> Evaluation:
    test, intervals, thresholds = evidence.test, evidence.intervals, evidence.manifest.judged_thresholds
    curves = None
    if test is not None and len(test.label):
        curves = Curves(
            days=test.days,
            currency=test.currency,
            operating=tuple(operating_points(test, (thresholds.review, thresholds.decline))),
            reliability=tuple(reliability(test)),
        )
    return Evaluation(
        metrics={name: number(value) for name, value in evidence.manifest.metrics.items()},
        intervals=None
        if intervals is None
        else {
            name: Interval(value=number(value), low=number(low), high=number(high))
            for name, (value, low, high) in intervals.items()
        },
        interval_note=evidence.interval_note,
        thresholds=Threshold.model_validate(thresholds.model_dump(include=set(Threshold.model_fields))),
        curves=curves,
        segments=None if evidence.segments is None else tuple(_segment(row) for row in evidence.segments),
    )


def _segment(row: Mapping[str, Any]) -> dict[str, Any]:
    names = {"segment": "dimension", "name": "value"}
    return {names.get(name, name): plain(value) for name, value in row.items()}


def _drift(drift: Sequence[Mapping[str, Any]] | None) -> tuple[Drift, ...] | None:
    if drift is None:
        return None
    found = [
        Drift(name=str(entry["name"]), psi=number(entry.get("psi")), bins=_bins(entry.get("bins") or ()))
        for entry in drift
    ]
    return tuple(sorted(found, key=lambda entry: (-(entry.psi or 0.0), entry.name)))


def _bins(bins: Sequence[Mapping[str, Any]]) -> tuple[DriftBin, ...]:
    return tuple(
        DriftBin(
            label=str(first(bin_, "label", "value") or _range(bin_)),
            training=number(first(bin_, "training", "expected", "before")),
            test=number(first(bin_, "test", "actual", "after")),
        )
        for bin_ in bins
    )


def _range(bin_: Mapping[str, Any]) -> str:
    low, high = number(bin_.get("low")), number(bin_.get("high"))
    if low is None and high is None:
        return "unset"
    if low is None:
        return f"up to {high:.4g}"
    return f"above {low:.4g}" if high is None else f"{low:.4g} to {high:.4g}"


def _described(value: Any) -> dict[str, Any] | None:
    """Returns a part of which only the shape is free as a mapping: a text or a list under one name."""
    found = plain(value)
    if found is None or isinstance(found, dict):
        return found
    return {"description" if isinstance(found, str) else "entries": found}
