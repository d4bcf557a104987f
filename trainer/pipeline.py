"""The story of a training run, from a table of transactions to a published bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle import Registry, TrainingWindow
from kuntur.identity import secret_from_hex
from trainer import calibration, evaluate
from trainer.config import TrainerSettings
from trainer.dataset import Dataset, build, informative
from trainer.export import build_onnx, check_parity
from trainer.export.parity import run, session
from trainer.imbalance import balanced, thinned
from trainer.models import FAMILIES, FittedModel
from trainer.progress import Progress
from trainer.publish import Candidate, feature_document, publish
from trainer.quality import quality_document
from trainer.rows import TrainingRows
from trainer.search import SearchResult, Trial, search, trials_as_json
from trainer.source import Source
from trainer.split import Split, TooLittleHistoryError, cut, iso, known_labels

_DAY_US = 86_400 * 1_000_000
DEFAULT_LABEL_DELAY_DAYS = 14.0


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What came of a run."""

    model_version: str
    algorithm: str
    parameters: dict[str, Any]
    metrics: dict[str, float]
    trials: int
    rows: int
    features: int


@dataclass(frozen=True, slots=True)
class _Window:
    """Rows of one stretch of time: float32 [n, columns], bool [n]."""

    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.bool_]


def train(source: Source, settings: TrainerSettings, progress: Progress) -> TrainingReport:
    """Trains, checks, publishes, makes live. Raises TooLittleHistoryError, SearchFailedError, ParityError."""
    table, until = source.table, source.until
    dataset = build(table, secret_from_hex(settings.hash_key), until, _counter(progress, len(table)))
    until_us = _until_us(dataset, until)
    delay = settings.split.label_delay_days
    if delay is None:
        delay = DEFAULT_LABEL_DELAY_DAYS if source.label_delay_days is None else source.label_delay_days
    split = cut(dataset.event_time_us, until_us, settings.split, delay)
    columns = np.flatnonzero(informative(dataset.features[split.train]))
    names = tuple(dataset.names[column] for column in columns)

    training = _training_rows(dataset, split, columns)
    select = _window(dataset, split.select, columns, until_us)
    calibrate = _window(dataset, split.calibrate, columns, until_us)
    _require_fraud(training, select, calibrate, split)
    progress.note(
        f"Learning from {len(training):,} transactions ({int(training.label.sum()):,} frauds), choosing on "
        f"{len(select.label):,} ({int(select.label.sum()):,}), calibrating on {len(calibrate.label):,} "
        f"({int(calibrate.label.sum()):,}); {len(columns)} features"
    )
    found = _search(training, select, settings, progress)
    progress.note(f"Fitting {found.best.parameters['algorithm']} on all rows")
    model = _fit(training, found.best, settings)

    calibrated = calibration.fit(model.margin(calibrate.features), calibrate.label)
    exported = build_onnx(model, calibrated, len(columns))
    validation = np.concatenate([select.features, calibrate.features])
    progress.note(f"Checking the export on {len(validation):,} rows and around every comparison")
    parity = check_parity(model, calibrated, exported, validation)

    probability = run(session(exported), calibrate.features)
    days = (split.calibrate_end_us - split.calibrate_start_us) / _DAY_US
    thresholds = evaluate.thresholds(probability, days, settings.thresholds)
    amount = dataset.amount[split.calibrate]
    metrics = evaluate.figures(calibrate.label, probability, amount, days, thresholds)
    candidate = Candidate(
        onnx=exported,
        algorithm=found.best.parameters["algorithm"],
        feature_names=names,
        parameters=_fit_parameters(found.best),
        window=_training_window(split),
        data_hash=table.data_hash,
        row_count=len(dataset),
        fraud_count=int(dataset.is_fraud.sum()),
        metrics=metrics,
        thresholds=thresholds,
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
    version = publish(Registry(settings.registry), candidate, calibrate.features, probability, documents)
    return TrainingReport(
        version,
        candidate.algorithm,
        candidate.parameters,
        metrics,
        len(found.trials),
        len(dataset),
        len(names),
    )


def _counter(progress: Progress, total: int) -> Any:
    def count(done: int) -> None:
        progress.step("Computing features", done, total)

    return count


def _until_us(dataset: Dataset, until: datetime | None) -> int:
    if until is not None:
        return round(until.timestamp() * 1_000_000)
    if len(dataset) == 0:
        raise TooLittleHistoryError("the data hold no transaction")
    return int(dataset.event_time_us[-1]) + 1


def _training_rows(dataset: Dataset, split: Split, columns: npt.NDArray[np.intp]) -> TrainingRows:
    # Labels as they stood when the first judging transaction took place: a model could not know more.
    rows = slice(split.train[0], split.train[-1] + 1) if len(split.train) else slice(0, 0)
    known = known_labels(dataset.is_fraud[rows], dataset.reported_time_us[rows], split.select_start_us)
    features = np.ascontiguousarray(dataset.features[rows][:, columns])
    return TrainingRows(features, known.astype(np.float32), np.ones(len(known), dtype=np.float32))


def _window(
    dataset: Dataset, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.intp], until_us: int
) -> _Window:
    known = known_labels(dataset.is_fraud[rows], dataset.reported_time_us[rows], until_us)
    return _Window(np.ascontiguousarray(dataset.features[rows][:, columns]), known)


def _require_fraud(training: TrainingRows, select: _Window, calibrate: _Window, split: Split) -> None:
    windows = (
        ("training", training.label, split.train_start_us, split.train_end_us),
        ("selection", select.label, split.select_start_us, split.calibrate_start_us),
        ("calibration", calibrate.label, split.calibrate_start_us, split.calibrate_end_us),
    )
    for name, label, start, end in windows:
        frauds = int(label.sum())
        if frauds == 0 or frauds == len(label):
            raise TooLittleHistoryError(
                f"the {name} window, {iso(start)} to {iso(end)}, has {len(label):,} transactions of which "
                f"{frauds:,} are known frauds; both kinds are needed. Widen split.validation_days, give more "
                "history, or check the label column and its times in the mapping"
            )


def _search(
    training: TrainingRows, select: _Window, settings: TrainerSettings, progress: Progress
) -> SearchResult:
    few = thinned(training, settings.search.max_rows, settings.search.seed)
    return search(few, select.features, select.label, settings.search, settings.ray, settings.work, progress)


def _fit_parameters(best: Trial) -> dict[str, Any]:
    """Gives the settings of the best trial, with the number of rounds at which it was best."""
    if "rounds" in best.parameters:
        return best.parameters | {"rounds": best.rounds}
    return best.parameters


def _fit(training: TrainingRows, best: Trial, settings: TrainerSettings) -> FittedModel:
    import os

    rows = balanced(training, best.parameters["imbalance"], settings.search.seed)
    family = FAMILIES[best.parameters["algorithm"]]
    threads = len(os.sched_getaffinity(0))
    return family.fit(rows, _fit_parameters(best), threads=threads, seed=settings.search.seed)


def _training_window(split: Split) -> TrainingWindow:
    return TrainingWindow(
        train_start_time=iso(split.train_start_us),
        train_end_time=iso(split.train_end_us),
        validation_start_time=iso(split.select_start_us),
        validation_end_time=iso(split.calibrate_end_us),
        label_delay_days=split.label_delay_days,
    )
