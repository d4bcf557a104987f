"""The composition root of the trainer: settings to a source, a run and its report."""

from __future__ import annotations

from kuntur.tables import Mapping, Table, read
from trainer.config import TrainerSettings
from trainer.journal import read_journal
from trainer.pipeline import TrainingReport, train
from trainer.progress import Progress


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
