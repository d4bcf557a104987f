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
from trainer.backtest.prepared import zone_of_days
from trainer.checks import check_table
from trainer.dataset.keeping import Keeping
from trainer.dataset.rows import TrainingRows
from trainer.dataset.training_set import Dataset, build, informative
from trainer.dataset.windows import Window, Windows, judging_rows, windows
from trainer.fitting.last import last_fit
from trainer.gate import Verdict
from trainer.phases import Phase, Phases, phase_figures
from trainer.progress import Progress
from trainer.release.candidate import prepare
from trainer.release.change import Newest, change_warnings
from trainer.release.dossier import DataReport, dossier
from trainer.release.examination import examine
from trainer.release.known_accounts import KnownAccounts, known_before
from trainer.release.manifest import TrainingData, build_manifest, name_beside_live, with_phases
from trainer.release.publish import publish
from trainer.release.refit import Known, refit
from trainer.release.signing import signing_keys
from trainer.search.result import SearchResult
from trainer.search.run import search
from trainer.search.window import problem_of_window
from trainer.settings.config import TrainerSettings
from trainer.sources.quality import quality_profile
from trainer.sources.source import Source, institution_zone
from trainer.sources.split import Split, cut
from trainer.tracking import Recorder, recorder
from trainer.validation import Case, validate


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What came of a run.

    currency: of the money in `recall_by_value`; trials: how many had a result; known_accounts: those of the
    test window; phases: what each took.
    """

    manifest: Manifest
    currency: str
    trials: int
    verdict: Verdict
    known_accounts: KnownAccounts
    phases: tuple[Phase, ...]


def train(source: Source, settings: TrainerSettings, progress: Progress, phases: Phases) -> TrainingReport:
    """Trains, checks, judges and publishes: live if it is better than what is live, else as a challenger.

    phases: notes what each step takes, after those that the caller began.

    Raises DataCheckError, LeakageError, TooLittleHistoryError, TooFewFraudsError, ClusterError,
    SearchFailedError, ParityError, KeyFileError, TrackingError.
    """
    with recorder(settings.tracking, "train", work=settings.work, note=progress.note) as record:
        return _train(source, settings, progress, record, phases)


def _train(
    source: Source, settings: TrainerSettings, progress: Progress, record: Recorder, phases: Phases
) -> TrainingReport:
    table, secret = source.table, secret_from_hex(settings.hash_key)
    phases.begin("checks", len(table))
    keys = signing_keys(settings.signing)  # before the hours of work that end with it
    checks = check_table(table, settings.checks, source.until)
    for warning in checks.warnings:
        progress.note(f"Warning: {warning.told()}")
    phases.begin("features", len(table))
    zone = institution_zone(settings, progress)
    keeping = Keeping(settings.work / "features", settings.ray, progress.note)
    dataset = build(table, secret, _counter(progress, len(table)), keeping, zone)
    until_us = round(source.until.timestamp() * 1_000_000)
    split = cut(dataset.event_time_us, until_us, settings.split, source.delay_days(settings.split))
    rows, columns = _rows(dataset, split, until_us, progress)
    known = Known.of(dataset, split, until_us, settings) if settings.refit.enabled else None
    names = tuple(dataset.names[column] for column in columns)
    phases.begin("leakage", len(rows.training))
    progress.note("Looking for columns that give the label away")
    learnt_from = split.train if known is None else known.rows
    leakage_report = leakage.check(table, secret, dataset, learnt_from, settings.leakage)

    phases.begin("search", min(len(rows.training), settings.search.max_rows))
    found = _search(rows.training, rows.select, dataset.account[split.select], settings, progress)
    choice = found.choice(settings.search.standard_errors)
    progress.note(f"Chosen: {choice.text}")
    phases.begin("fit", len(rows.training))
    progress.note(f"Fitting {choice.parameters['algorithm']} on all rows")
    fitted = last_fit(rows.training, choice.parameters, settings, progress)
    phases.begin("export", len(rows.select) + len(rows.calibrate) + len(rows.test))
    progress.note("Checking the export on the rows behind the training and around every comparison")
    judged = prepare(fitted, names, rows, settings, dataset.currency)
    served, data, held_out = judged, TrainingData.of(table, dataset, split), rows.calibrate
    if known is not None:
        phases.begin("refit", len(known.rows))
        progress.note(f"Fitting it again on all {len(known.rows):,} transactions whose labels have come")
        again = refit(fitted, columns, dataset, known, settings, progress)
        served = prepare(again.fitted, names, rows, settings, dataset.currency, again.settled)
        data = data.refitted(known.document(judged.settled, judged.parity), judged)
        held_out = judging_rows(dataset, known.held_out, columns, until_us)
    newest = Newest.of(dataset, split, columns, until_us)
    warnings = change_warnings(served, rows.calibrate, rows.test, held_out, newest, settings)

    registry = Registry(settings.registry)
    name = name_beside_live(served, data, settings.gate, registry)
    phases.begin("judging", len(rows.test))
    progress.note("Judging the first fit on the test window, beside the live model where there is one")
    found_of_it = examine(
        judged, name.version, rows, dataset, split, until_us, settings,
        known_before(dataset, split, until_us, settings.backtest.train_days, zone_of_days(settings)),
        warnings,
    )  # fmt: skip
    verdict = found_of_it.verdict
    phases.begin("validation", len(rows.test))
    progress.note("Validating it: on earlier windows, beside simple rules, in parts, with inputs changed")
    case = Case(judged, found_of_it.test.probability, rows, names, dataset, split, until_us, settings)
    validation = validate(
        case, found_of_it.metrics, found_of_it.intervals, served.importance, name.version, name.replaces,
        progress,
    )  # fmt: skip
    manifest = build_manifest(name, served, data, found_of_it.metrics, verdict, datetime.now(UTC))
    phases.begin("documents")
    found_in_data = DataReport(quality_profile(table, source.losses), checks, leakage_report)
    signed_with = keys[0].public.id if keys else ""
    documents = dossier(
        manifest, judged, served, found_of_it, found, choice, found_in_data, settings, signed_with,
        validation,
    )  # fmt: skip
    phases.begin("publishing")
    manifest = with_phases(manifest, phases.ended)
    publish(registry, manifest, served, documents, keys, None if served is judged else judged.onnx)
    phases.end()
    _record(record, manifest, found, registry, phases.ended)
    return TrainingReport(
        manifest, dataset.currency, len(found.trials), verdict, found_of_it.known_accounts, phases.ended
    )


def _rows(
    dataset: Dataset, split: Split, until_us: int, progress: Progress
) -> tuple[Windows, npt.NDArray[np.intp]]:
    """Returns the rows by role, and the numbers of their columns: those that vary in training."""
    columns = np.flatnonzero(informative(dataset.features.take(split.train)))
    rows = windows(dataset, split, columns, until_us)
    training = rows.training
    progress.note(
        f"Learning from {len(training):,} transactions ({int(training.label.sum()):,} frauds), choosing on "
        f"{rows.select}, calibrating on {rows.calibrate}, testing on {rows.test}; {len(columns)} features"
    )
    return rows, columns


def _record(
    record: Recorder, manifest: Manifest, found: SearchResult, registry: Registry, phases: tuple[Phase, ...]
) -> None:
    record.parameters(manifest.parameters)
    record.metrics(manifest.metrics)
    record.metrics(phase_figures(phases))
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
    problem = problem_of_window(training, select, account, settings.search)
    return search(problem, settings.search, settings.ray, settings.work, progress)
