"""Where a training run's transactions come from: files described by a mapping, or a server's journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kuntur.tables import Mapping, Table, read
from trainer.config import TrainerSettings
from trainer.journal import read_journal
from trainer.progress import Progress


@dataclass(frozen=True, slots=True)
class Source:
    """Transactions, and what is known of them as a whole.

    until: the moment at which the trainer stands, None for just after the last transaction;
    label_delay_days: what the source says of its labels, None where it says nothing.
    """

    table: Table
    until: datetime | None
    label_delay_days: float | None


def read_source(settings: TrainerSettings, progress: Progress) -> Source:
    """Reads what the settings name. Raises what `kuntur.tables.read` and `read_journal` raise."""
    journal = settings.data.journal
    source = _files(settings, progress) if journal is None else _journal(journal, settings)
    frauds = source.table.frame["is_fraud"].sum()
    progress.note(f"Read {len(source.table):,} transactions, {frauds:,} of them fraud")
    return source


def _journal(directory: Path, settings: TrainerSettings) -> Source:
    since, until = _in_utc(settings.data.since), _in_utc(settings.data.until)
    return Source(read_journal(directory, since=since, until=until), until, None)


def _files(settings: TrainerSettings, progress: Progress) -> Source:
    data = settings.data
    mapping = Mapping.load(data.mapping)
    until = mapping.aware(data.until)
    settings.work.mkdir(parents=True, exist_ok=True)
    table = read(
        data.paths,
        mapping,
        reject_path=settings.work / "rejects.csv",
        max_reject_share=data.max_reject_share,
        since=mapping.aware(data.since),
        until=until,
    )
    if table.rejects.rows_rejected:
        counts = ", ".join(f"{reason}: {rows:,}" for reason, rows in table.rejects.counts.items())
        progress.note(f"Refused {table.rejects.rows_rejected:,} rows ({counts}); see {table.rejects.path}")
    return Source(table, until, mapping.label.delay_days if mapping.label is not None else None)


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
