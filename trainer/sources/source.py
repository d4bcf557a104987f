"""Where a training run's transactions come from: files, PostgreSQL or a server's journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from kuntur.journal.file import Loss
from kuntur.journal.sealing import KeyRing
from kuntur.tables import Mapping, Table, read, read_frame
from kuntur.time_zone import TimeZone, time_zone, time_zone_names
from trainer.progress import Progress
from trainer.settings.config import TrainerSettings
from trainer.settings.data import SplitSettings
from trainer.sources.journal import read_journal
from trainer.sources.labels import known_at
from trainer.sources.postgres import fetched, source_name
from trainer.sources.split import TooLittleHistoryError

DEFAULT_LABEL_DELAY_DAYS = 14.0


@dataclass(frozen=True, slots=True)
class Source:
    """Transactions with what was known of them when the trainer stands at `until`.

    label_delay_days: what the source says of its labels, None where it says nothing; losses: what was not to
    be had of a journal.
    """

    table: Table
    until: datetime
    label_delay_days: float | None
    losses: tuple[Loss, ...] = ()

    def delay_days(self, split: SplitSettings) -> float:
        """Returns the days that labels need to arrive: as set, else as the source says, else 14."""
        if split.label_delay_days is not None:
            return split.label_delay_days
        return DEFAULT_LABEL_DELAY_DAYS if self.label_delay_days is None else self.label_delay_days


def read_source(settings: TrainerSettings, progress: Progress, *, in_hindsight: bool = False) -> Source:
    """Reads what the settings name, as it was known at their `until` or just after the last transaction.

    in_hindsight: where the settings name no `until`, it is just after the last report of a label; and the
    table says what kind of fraud a row was where the mapping does, to judge by.
    Raises what `kuntur.tables.read`, `read_journal` and `trainer.sources.postgres.fetched` raise,
    TooLittleHistoryError for no transaction.
    """
    journal, losses = settings.data.journal, list[Loss]()
    if journal is None:
        table, until, delay = _mapped(settings, progress, kinds=in_hindsight)
    else:
        table, until, delay = _journal(journal, settings, losses)
        for loss in losses:
            progress.note(f"Warning: {loss.told()}")
    if until is None:
        until = just_after_last(table.frame)
        if in_hindsight:
            until = max(until, _just_after_last_report(table))
    table = known_at(table, until)
    frauds = table.frame["is_fraud"].sum()
    known = f"{frauds:,} of them known to be fraud by {until:%Y-%m-%d %H:%M} UTC"
    progress.note(f"Read {len(table):,} transactions, {known}")
    return Source(table, until, delay, tuple(losses))


def just_after_last(frame: pl.DataFrame) -> datetime:
    """Returns the moment just after the last transaction. Raises TooLittleHistoryError when there is none."""
    last = frame["event_time"].max()
    if not isinstance(last, datetime):
        raise TooLittleHistoryError("the data hold no transaction")
    return last + timedelta(microseconds=1)


def _just_after_last_report(table: Table) -> datetime:
    reports = table.frame["reported_time"] if table.outcomes is None else table.outcomes["reported_time"]
    last = reports.max()
    if not isinstance(last, datetime):
        raise TooLittleHistoryError("the data hold no label; see [label] of the mapping")
    return last + timedelta(microseconds=1)


def institution_zone(settings: TrainerSettings, progress: Progress) -> TimeZone:
    """Returns the zone in which features count hours and days; notes when files are written in another one.

    Times that files have in UTC, as exports often do, say nothing of where the customers are.
    """
    zone = time_zone(settings.institution.time_zone)
    if settings.data.journal is None:
        written = Mapping.load(settings.data.mapping).time.zone
        if written != "UTC" and not _same_clock(written, zone):
            progress.note(
                f"Times in the files are local to {written}, and features count hours and days in "
                f"{zone.name}: if that is not where the customers are, set institution.time_zone"
            )
    return zone


def _same_clock(name: str, zone: TimeZone) -> bool:
    return name in time_zone_names() and time_zone(name).agrees_with(zone)


def _journal(
    directory: Path, settings: TrainerSettings, losses: list[Loss]
) -> tuple[Table, datetime | None, float | None]:
    since, until = _in_utc(settings.data.since), _in_utc(settings.data.until)
    keys = None if settings.data.journal_keys is None else KeyRing.read(settings.data.journal_keys)
    return read_journal(directory, since=since, until=until, lost=losses.append, keys=keys), until, None


def _mapped(
    settings: TrainerSettings, progress: Progress, *, kinds: bool
) -> tuple[Table, datetime | None, float | None]:
    data = settings.data
    mapping = Mapping.load(data.mapping).accepting(settings.institution.country_codes)
    if not kinds:
        mapping = mapping.without_kinds()
    since, until = mapping.aware(data.since), mapping.aware(data.until)
    settings.work.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {
        "reject_path": settings.work / "rejects.csv",
        "max_reject_share": data.max_reject_share,
        "since": since,
        "until": until,
    }
    if data.postgres.chosen:
        with fetched(data.postgres, mapping, since, until, settings.work) as rows:
            table = read_frame(rows, source_name(data.postgres), mapping, **options)
    else:
        table = read(data.paths, mapping, **options)
    if table.rejects.rows_rejected:
        counts = ", ".join(f"{reason}: {rows:,}" for reason, rows in table.rejects.counts.items())
        progress.note(f"Refused {table.rejects.rows_rejected:,} rows ({counts}); see {table.rejects.path}")
    return table, until, mapping.label.delay_days if mapping.label is not None else None


def _in_utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
