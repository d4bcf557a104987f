"""What the test window says of a model: figures, intervals, drift, segments, and the gate's verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Registry
from trainer import gate
from trainer.card import TestWindow
from trainer.confined.session import run, session
from trainer.dataset.training_set import Dataset
from trainer.dataset.windows import Windows
from trainer.evaluation import evaluate
from trainer.evaluation.bootstrap import Interval
from trainer.evaluation.drift import SCORE, Drift, drift, drifts, evenly
from trainer.evaluation.latency import microseconds_a_row
from trainer.evaluation.segments import SegmentFigures, segment_figures
from trainer.gate import Challenger, Champion, JudgingWindow, NoChampion, Verdict
from trainer.release.candidate import ServedModel
from trainer.release.known_accounts import KnownAccounts, known_accounts
from trainer.settings.config import TrainerSettings
from trainer.sources.split import Split


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found on the test window.

    test: its scored rows; metrics: of the manifest; champion_metrics: those of the live model on the same
    rows, None where there is none to compare.
    """

    test: TestWindow
    metrics: dict[str, float]
    intervals: dict[str, Interval]
    drifts: tuple[Drift, ...]
    segments: tuple[SegmentFigures, ...]
    champion: Champion | NoChampion
    champion_metrics: dict[str, float] | None
    known_accounts: KnownAccounts
    verdict: Verdict

    @property
    def live_version(self) -> str:
        """The model that was live when this one was judged; empty where none was."""
        if isinstance(self.champion, NoChampion):
            return self.champion.model_version
        return self.champion.manifest.model_version


def examine(
    model: ServedModel,
    version: str,
    rows: Windows,
    dataset: Dataset,
    split: Split,
    until_us: int,
    settings: TrainerSettings,
    known: npt.NDArray[np.bool_],
    warnings: tuple[str, ...] = (),
) -> Examination:
    """Judges a fit on rows that taught, chose and calibrated nothing, and beside the live model.

    version: name of the model that it stands for; until_us: when the labels that judge were known; known:
    bool [len(split.test)], rows of accounts known to be compromised; warnings: of the verdict.
    """
    test, days, window_rows = rows.test, settings.split.test_days, split.test
    inputs = model.inputs(test)
    probability = run(session(model.onnx), inputs)
    costs = settings.thresholds if settings.thresholds.method == "cost" else None
    metrics = evaluate.figures(test.label, probability, test.amount, days, model.thresholds, costs)
    window = JudgingWindow.of(dataset, window_rows, split.test_start_us, split.test_end_us, until_us)
    taught = rows.training.take(evenly(len(rows.training))).only(model.columns).features
    moved = drifts(taught, inputs, model.feature_names)
    # Like with like: a fit that is to be made again on newer rows is as old as the champion's judged one was.
    champion = gate.live_champion(
        Registry(settings.registry), window, settings.gate.limits, served=not settings.refit.enabled
    )
    challenger = Challenger(version, model.onnx, model.feature_names, model.importance, moved, model.parity)
    verdict = gate.judge(
        challenger,
        champion,
        window,
        settings.thresholds.review_alerts_per_day,
        settings.gate,
        force=settings.gate.force,
    )
    return Examination(
        test=TestWindow(
            label=test.label,
            probability=probability,
            amount=test.amount,
            days=days,
            currency=dataset.currency,
        ),
        metrics=metrics | microseconds_a_row(model.onnx, inputs),
        intervals=evaluate.intervals(
            test.label,
            probability,
            test.amount,
            days,
            model.thresholds,
            dataset.account[window_rows],
            costs,
        ),
        # The score's own drift is between two windows that taught nothing: on what it learnt from, a model
        # is surer than it ever is again.
        drifts=(*moved, drift(SCORE, model.calibrate_probability, probability)),
        segments=segment_figures(
            test.label, probability, model.thresholds.review, window.segments, window.account
        ),
        champion=champion,
        known_accounts=known_accounts(
            known, test.label, probability, test.amount, days, model.thresholds, costs
        ),
        champion_metrics=_champion_metrics(champion, window, days),
        verdict=verdict.with_warnings(warnings),
    )


def _champion_metrics(
    champion: Champion | NoChampion, window: JudgingWindow, days: float
) -> dict[str, float] | None:
    if isinstance(champion, NoChampion) or len(champion.unseen(window)) < len(window):
        return None  # on what it learnt from, its figures say nothing
    return evaluate.figures(window.label, champion.scores, window.amount, days, champion.thresholds)
