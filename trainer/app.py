"""The composition root of the trainer: settings to a source, a run and its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from kuntur.identity import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, Table, read
from trainer.config import TrainerSettings
from trainer.history import replay
from trainer.journal import read_journal
from trainer.pipeline import TrainingReport, train
from trainer.progress import Progress
from trainer.replay import differences, score


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
    """Replays files, scores them with a bundle, compares. Raises what reading and bundles raise."""
    table = read(paths, Mapping.load(mapping))
    secret = secret_from_hex(hash_key or DEFAULT_HASH_KEY)
    replayed = replay(table.frame, secret, lambda done: progress.step("Computing features", done, len(table)))
    scores = score(bundle, replayed)
    if output is not None:
        ids = table.frame.select("source_row", "transaction_id", "institution_id", "event_time", "account_id")
        ids.with_columns(pl.Series("fraud_probability", scores).cast(pl.Float64)).write_parquet(output)
    version = bundle.resolve().name
    if compare is None:
        return ReplayReport(version, len(table), 0, 0)
    served = pl.read_parquet(compare)
    different = differences(served, replayed, {version: scores})
    return ReplayReport(version, len(table), served.height, different.height)


def run(settings: TrainerSettings, progress: Progress) -> TrainingReport:
    """Reads the source and trains. Raises what `kuntur.tables.read`, `read_journal` and `train` raise."""
    table, label_delay_days = _source(settings, progress)
    progress.note(f"Read {len(table):,} transactions, {table.frame['is_fraud'].sum():,} of them fraud")
    return train(table, settings, label_delay_days, progress)


def _source(settings: TrainerSettings, progress: Progress) -> tuple[Table, float | None]:
    data = settings.data
    if data.journal is not None:
        return read_journal(data.journal, since=data.since, until=data.until), None
    mapping = Mapping.load(data.mapping)
    settings.work.mkdir(parents=True, exist_ok=True)
    table = read(
        data.paths,
        mapping,
        reject_path=settings.work / "rejects.csv",
        max_reject_share=data.max_reject_share,
        since=data.since,
        until=data.until,
    )
    if table.rejects.rows_rejected:
        counts = ", ".join(f"{reason}: {rows:,}" for reason, rows in table.rejects.counts.items())
        progress.note(f"Refused {table.rejects.rows_rejected:,} rows ({counts}); see {table.rejects.path}")
    delay = mapping.label.delay_days if mapping.label is not None else None
    return table, delay
