"""The story of a training run, from a table of transactions to a published bundle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import DOCUMENTS, MANIFEST, Registry, TrainingWindow
from kuntur.hash_key import secret_from_hex
from trainer import leakage
from trainer.checks import check_table
from trainer.dataset.rows import TrainingRows
from trainer.dataset.shards import replay_of
from trainer.dataset.training_set import Dataset, build, informative
from trainer.dataset.windows import Window, Windows, windows
from trainer.fitting.fit import Fitted, fit
from trainer.gate import Verdict
from trainer.models.imbalance import thinned
from trainer.origin import git_revision
from trainer.progress import Progress
from trainer.release.candidate import prepare
from trainer.release.dossier import dossier
from trainer.release.examination import Examination, examine
from trainer.release.publish import Candidate, beside_live, model_version, publish
from trainer.search.problem import Problem
from trainer.search.result import Choice, SearchResult
from trainer.search.run import search
from trainer.settings.config import TrainerSettings
from trainer.sources.source import Source, institution_zone
from trainer.sources.split import Split, cut, iso
from trainer.tracking import Recorder, recorder


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What came of a run; currency: of the money in `recall_by_value`."""

    model_version: str
    algorithm: str
    parameters: dict[str, Any]
    metrics: dict[str, float]
    currency: str
    trials: int
    rows: int
    features: int
    verdict: Verdict


def train(source: Source, settings: TrainerSettings, progress: Progress) -> TrainingReport:
    """Trains, checks, judges and publishes: live if it is better than what is live, else as a challenger.

    Raises DataCheckError, LeakageError, TooLittleHistoryError, TooFewFraudsError, ClusterError,
    SearchFailedError, ParityError, TrackingError.
    """
    with recorder(settings.tracking, "train", work=settings.work, note=progress.note) as record:
        return _train(source, settings, progress, record)


def _train(source: Source, settings: TrainerSettings, progress: Progress, record: Recorder) -> TrainingReport:
    table, secret = source.table, secret_from_hex(settings.hash_key)
    checks = check_table(table, settings.checks, source.until)
    for warning in checks.warnings:
        progress.note(f"Warning: {warning.told()}")
    compute = replay_of(settings.ray, len(table))
    zone = institution_zone(settings, progress)
    dataset = build(table, secret, _counter(progress, len(table)), compute, zone)
    until_us = round(source.until.timestamp() * 1_000_000)
    split = cut(dataset.event_time_us, until_us, settings.split, source.delay_days(settings.split))
    rows, names = _rows(dataset, split, until_us, progress)
    progress.note("Looking for columns that give the label away")
    leakage_report = leakage.check(table, secret, dataset, split.train, settings.leakage)

    found = _search(rows.training, rows.select, dataset.account[split.select], settings, progress)
    choice = found.choice(settings.search.standard_errors)
    progress.note(f"Chosen: {choice.text}")
    progress.note(f"Fitting {choice.parameters['algorithm']} on all rows")
    fitted = _fit(rows.training, choice, settings)
    progress.note("Checking the export on the rows behind the training and around every comparison")
    model = prepare(fitted, names, rows, settings, dataset.currency)

    candidate = Candidate(
        onnx=model.onnx,
        algorithm=str(choice.parameters["algorithm"]),
        feature_names=model.feature_names,
        parameters=choice.parameters,
        window=_training_window(split),
        time_zone=zone.name,
        data_hash=table.data_hash,
        row_count=len(dataset),
        fraud_count=int(dataset.is_fraud.sum()),
        metrics={},
        thresholds=model.thresholds,
        parity=model.parity,
        gate=settings.gate.model_dump(mode="json"),
    )
    registry = Registry(settings.registry)
    candidate = beside_live(candidate, registry)
    version = model_version(candidate)
    progress.note("Judging it on the test window, beside the live model where there is one")
    judged = examine(model, version, rows, dataset, split, until_us, settings)
    candidate = replace(candidate, metrics=judged.metrics)
    documents = dossier(
        version, candidate, model, judged, found, choice, source, dataset, rows, checks, leakage_report,
        settings,
    )  # fmt: skip
    publish(
        registry, candidate, model.calibrate_features, model.calibrate_probability, documents,
        judged.verdict, model.explanation,
    )  # fmt: skip
    _record(record, candidate, version, judged, found, registry)
    return TrainingReport(
        version,
        candidate.algorithm,
        candidate.parameters,
        candidate.metrics,
        dataset.currency,
        len(found.trials),
        len(dataset),
        len(model.feature_names),
        judged.verdict,
    )


def _rows(
    dataset: Dataset, split: Split, until_us: int, progress: Progress
) -> tuple[Windows, tuple[str, ...]]:
    """Returns the rows by role, and the names of their columns: those that vary in training."""
    columns = np.flatnonzero(informative(dataset.features[split.train]))
    rows = windows(dataset, split, columns, until_us)
    training = rows.training
    progress.note(
        f"Learning from {len(training):,} transactions ({int(training.label.sum()):,} frauds), choosing on "
        f"{rows.select}, calibrating on {rows.calibrate}, testing on {rows.test}; {len(columns)} features"
    )
    return rows, tuple(dataset.names[column] for column in columns)


def _record(
    record: Recorder,
    candidate: Candidate,
    version: str,
    judged: Examination,
    found: SearchResult,
    registry: Registry,
) -> None:
    record.parameters(candidate.parameters)
    record.metrics(candidate.metrics)
    record.series({"trial_average_precision": [trial.average_precision for trial in found.trials]})
    record.tags(
        {
            "data_hash": candidate.data_hash,
            "git_revision": git_revision(),
            "verdict": judged.verdict.text,
            "role": "champion" if judged.verdict.promoted else "challenger",
        }
    )
    bundle = registry.bundle_path(version)  # as it is there: one that was there before was not written again
    for path in (*sorted((bundle / DOCUMENTS).iterdir()), bundle / MANIFEST):
        record.artefact(str(path.relative_to(bundle)), path.read_bytes())
    record.model_version(version, bundle)


def _counter(progress: Progress, total: int) -> Any:
    def count(done: int) -> None:
        progress.step("Computing features", done, total)

    return count


def _search(
    training: TrainingRows,
    select: Window,
    account: npt.NDArray[np.int64],
    settings: TrainerSettings,
    progress: Progress,
) -> SearchResult:
    few = thinned(training, settings.search.max_rows, settings.search.seed)
    problem = Problem.of_window(few, select.features, select.label, account)
    return search(problem, settings.search, settings.ray, settings.work, progress)


def _fit(training: TrainingRows, choice: Choice, settings: TrainerSettings) -> Fitted:
    import os

    threads = len(os.sched_getaffinity(0))
    return fit(training, choice.parameters, threads=threads, seed=settings.search.seed)


def _training_window(split: Split) -> TrainingWindow:
    return TrainingWindow(
        train_start_time=iso(split.train_start_us),
        train_end_time=iso(split.train_end_us),
        validation_start_time=iso(split.select_start_us),
        validation_end_time=iso(split.test_end_us),
        label_delay_days=split.label_delay_days,
    )
