"""The composition root of the trainer: settings to a source, a run and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kuntur.bundle.bundle import read_bundle, read_manifest
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, read
from kuntur.time_zone import time_zone
from trainer.dataset.history import replay
from trainer.phases import Phases
from trainer.pipeline import TrainingReport, train
from trainer.progress import Progress
from trainer.release.replay import differences, read_served, score
from trainer.release.replayed import ScoredFigures, write_scored
from trainer.settings.config import TrainerSettings
from trainer.sources.source import read_source


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay came to: rows replayed, served scores compared, and how many of those differ.

    output: figures of what was written; None where nothing was.
    """

    model_version: str
    rows: int
    compared: int
    different: int
    output: ScoredFigures | None = None


def replay_files(
    paths: tuple[str, ...],
    mapping: str,
    bundle: Path,
    compare: Path | None,
    output: Path | None,
    hash_key: str | None,
    progress: Progress,
) -> ReplayReport:
    """Replays files, scores them with a bundle, in whose time zone features count hours and days, compares.

    Raises what reading, `read_served` and bundles raise, ValueError for a wrong hash key.
    """
    secret = secret_from_hex(hash_key or DEFAULT_HASH_KEY)
    served = None if compare is None else read_served(compare)
    zone = time_zone(read_manifest(bundle).time_zone)
    table = read(paths, Mapping.load(mapping).without_kinds())
    replayed = replay(
        table, secret, lambda done: progress.step("Computing features", done, len(table)), zone=zone
    )
    scores = score(bundle, replayed)
    figures = None
    if output is not None:
        review = read_bundle(bundle).manifest.thresholds.review
        figures = write_scored(table.frame, scores, review, output)
    version = bundle.resolve().name
    if served is None:
        return ReplayReport(version, len(table), 0, 0, figures)
    different = differences(served, replayed, {version: scores})
    return ReplayReport(version, len(table), served.height, different.height, figures)


def run(settings: TrainerSettings, progress: Progress) -> TrainingReport:
    """Reads the source and trains. Raises what `read_source` and `train` raise."""
    with Phases() as phases:
        phases.begin("reading")
        source = read_source(settings, progress)
        phases.count(len(source.table))
        return train(source, settings, progress, phases)
