"""The composition root of the trainer: settings to a source, a run and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from kuntur.identity import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, read
from trainer.config import TrainerSettings
from trainer.history import replay
from trainer.pipeline import TrainingReport, train
from trainer.progress import Progress
from trainer.replay import differences, read_served, score
from trainer.source import read_source


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay came to: rows replayed, served scores compared, and how many of those differ."""

    model_version: str
    rows: int
    compared: int
    different: int


def replay_files(
    paths: tuple[str, ...],
    mapping: str,
    bundle: Path,
    compare: Path | None,
    output: Path | None,
    hash_key: str | None,
    progress: Progress,
) -> ReplayReport:
    """Replays files, scores them with a bundle, compares.

    Raises what reading, `read_served` and bundles raise, ValueError for a wrong hash key.
    """
    secret = secret_from_hex(hash_key or DEFAULT_HASH_KEY)
    served = None if compare is None else read_served(compare)
    table = read(paths, Mapping.load(mapping))
    replayed = replay(table, secret, lambda done: progress.step("Computing features", done, len(table)))
    scores = score(bundle, replayed)
    if output is not None:
        ids = table.frame.select("source_row", "transaction_id", "institution_id", "event_time", "account_id")
        ids.with_columns(pl.Series("fraud_probability", scores).cast(pl.Float64)).write_parquet(output)
    version = bundle.resolve().name
    if served is None:
        return ReplayReport(version, len(table), 0, 0)
    different = differences(served, replayed, {version: scores})
    return ReplayReport(version, len(table), served.height, different.height)


def run(settings: TrainerSettings, progress: Progress) -> TrainingReport:
    """Reads the source and trains. Raises what `read_source` and `train` raise."""
    return train(read_source(settings, progress), settings, progress)
