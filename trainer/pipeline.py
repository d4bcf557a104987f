"""The story of a training run, from a table of transactions to a published bundle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import DOCUMENTS, MANIFEST, Manifest, Registry
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
from trainer.progress import Progress
from trainer.release.candidate import prepare
from trainer.release.dossier import DataReport, dossier
from trainer.release.examination import examine
from trainer.release.manifest import TrainingData, build_manifest, name_beside_live
from trainer.release.publish import publish
from trainer.release.signing import signing_keys
from trainer.search.problem import Problem
from trainer.search.result import Choice, SearchResult
from trainer.search.run import search
from trainer.settings.config import TrainerSettings
from trainer.sources.quality import quality_profile
from trainer.sources.source import Source, institution_zone
from trainer.sources.split import Split, cut
from trainer.tracking import Recorder, recorder
from trainer.validation import Case, validate


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What came of a run; currency: of the money in `recall_by_value`; trials: how many had a result."""

    manifest: Manifest
    currency: str
    trials: int
    verdict: Verdict


def train(source: Source, settings: TrainerSettings, progress: Progress) -> TrainingReport:
    """Trains, checks, judges and publishes: live if it is better than what is live, else as a challenger.

    Raises DataCheckError, LeakageError, TooLittleHistoryError, TooFewFraudsError, ClusterError,
    SearchFailedError, ParityError, KeyFileError, TrackingError.
    """
    with recorder(settings.tracking, "train", work=settings.work, note=progress.note) as record:
        return _train(source, settings, progress, record)


def _train(source: Source, settings: TrainerSettings, progress: Progress, record: Recorder) -> TrainingReport:
    table, secret = source.table, secret_from_hex(settings.hash_key)
    keys = signing_keys(settings.signing)  # before the hours of work that end with it
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

    registry, data = Registry(settings.registry), TrainingData.of(table, dataset, split)
    name = name_beside_live(model, data, settings.gate, registry)
    progress.note("Judging it on the test window, beside the live model where there is one")
    judged = examine(model, name.version, rows, dataset, split, until_us, settings)
    progress.note("Validating it: on earlier windows, beside simple rules, in parts, with inputs changed")
    case = Case(model, judged.test.probability, rows, names, dataset, split, until_us, settings)
    validation = validate(
        case, judged.metrics, judged.intervals, model.importance, name.version, name.replaces, progress
    )
    manifest = build_manifest(name, model, data, judged.metrics, judged.verdict, datetime.now(UTC))
    found_in_data = DataReport(quality_profile(table, source.losses), checks, leakage_report)
    signed_with = keys[0].public.id if keys else ""
    documents = dossier(
        manifest, model, judged, found, choice, found_in_data, settings, signed_with, validation
    )
    publish(registry, manifest, model, documents, keys)
    _record(record, manifest, found, registry)
    return TrainingReport(manifest, dataset.currency, len(found.trials), judged.verdict)


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


def _record(record: Recorder, manifest: Manifest, found: SearchResult, registry: Registry) -> None:
    record.parameters(manifest.parameters)
    record.metrics(manifest.metrics)
    record.series({"trial_average_precision": [trial.average_precision for trial in found.trials]})
    record.tags(
        {
            "data_hash": manifest.data_hash,
            "git_revision": manifest.git_revision,
            "verdict": manifest.verdict,
            "role": manifest.role,
        }
    )
    version = manifest.model_version
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
