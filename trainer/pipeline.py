"""The story of a training run, from a table of transactions to a published bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle import Registry, TrainingWindow
from kuntur.identity import secret_from_hex
from trainer import calibration, evaluate, thresholds
from trainer.config import TrainerSettings
from trainer.dataset import build, informative
from trainer.export import build_onnx, check_parity
from trainer.export.parity import run, session
from trainer.fit import Fitted, fit, only
from trainer.imbalance import thinned
from trainer.latency import microseconds_a_row
from trainer.problem import Problem
from trainer.progress import Progress
from trainer.publish import Candidate, feature_document, publish
from trainer.quality import quality_document
from trainer.rows import TrainingRows
from trainer.search import search
from trainer.source import Source
from trainer.split import Split, cut, iso
from trainer.trials import Choice, SearchResult, trials_as_json
from trainer.windows import Window, windows

DEFAULT_LABEL_DELAY_DAYS = 14.0


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


def train(source: Source, settings: TrainerSettings, progress: Progress) -> TrainingReport:
    """Trains, checks, publishes, makes live.

    Raises TooLittleHistoryError, ClusterError, SearchFailedError, ParityError.
    """
    table = source.table
    dataset = build(table, secret_from_hex(settings.hash_key), _counter(progress, len(table)))
    until_us = round(source.until.timestamp() * 1_000_000)
    delay = settings.split.label_delay_days
    if delay is None:
        delay = DEFAULT_LABEL_DELAY_DAYS if source.label_delay_days is None else source.label_delay_days
    split = cut(dataset.event_time_us, until_us, settings.split, delay)
    columns = np.flatnonzero(informative(dataset.features[split.train]))
    names = tuple(dataset.names[column] for column in columns)

    rows = windows(dataset, split, columns, until_us)
    training, calibrate, test = rows.training, rows.calibrate, rows.test
    progress.note(
        f"Learning from {len(training):,} transactions ({int(training.label.sum()):,} frauds), choosing on "
        f"{rows.select}, calibrating on {calibrate}, testing on {test}; {len(columns)} features"
    )
    account = dataset.account[split.select]
    found = _search(training, rows.select, account, settings, progress)
    choice = found.choice(settings.search.standard_errors)
    progress.note(f"Chosen: {choice.text}")
    progress.note(f"Fitting {choice.parameters['algorithm']} on all rows")
    fitted = _fit(training, choice, settings)
    model, names = fitted.model, tuple(names[column] for column in fitted.columns)
    select_features, calibrate_features, test_features = (
        only(window.features, fitted.columns) for window in (rows.select, calibrate, test)
    )

    calibrated = calibration.fit(
        model.margin(calibrate_features), calibrate.label, settings.calibration.method
    )
    exported = build_onnx(model, calibrated, len(names))
    validation = np.concatenate([select_features, calibrate_features, test_features])
    progress.note(f"Checking the export on {len(validation):,} rows and around every comparison")
    parity = check_parity(model, calibrated, exported, validation)

    served = session(exported)
    probability = run(served, calibrate_features)
    chosen = thresholds.choose(
        probability,
        calibrate.label,
        calibrate.amount,
        settings.split.calibrate_days,
        settings.thresholds,
        dataset.currency,
    )
    metrics = evaluate.figures(
        test.label, run(served, test_features), test.amount, settings.split.test_days, chosen
    ) | microseconds_a_row(exported, test_features)
    candidate = Candidate(
        onnx=exported,
        algorithm=choice.parameters["algorithm"],
        feature_names=names,
        parameters=choice.parameters,
        window=_training_window(split),
        data_hash=table.data_hash,
        row_count=len(dataset),
        fraud_count=int(dataset.is_fraud.sum()),
        metrics=metrics,
        thresholds=chosen,
        parity=parity,
    )
    documents = {
        "search.json": trials_as_json(found),
        "features.json": feature_document(names, model.importance()),
        "quality.json": quality_document(table),
        "settings.json": (
            json.dumps(settings.model_dump(mode="json", exclude={"hash_key"}), indent=1) + "\n"
        ).encode(),
    }
    version = publish(Registry(settings.registry), candidate, calibrate_features, probability, documents)
    return TrainingReport(
        version,
        candidate.algorithm,
        candidate.parameters,
        metrics,
        dataset.currency,
        len(found.trials),
        len(dataset),
        len(names),
    )


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
