"""Settings of the data: where they come from, what is expected of them, how time is cut."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import Field, NonNegativeInt, PositiveFloat, SecretStr, model_validator

from kuntur.settings.section import Section
from trainer.settings.environment import ENVIRONMENT_PREFIX


class PostgresSettings(Section):
    """A PostgreSQL database whose rows are read instead of files: a table, or what a query gives."""

    uri: SecretStr | None = None
    """postgresql://user:password@host:5432/database; better in the environment than in a file, and never
    shown. Without a password, that of PGPASSWORD or ~/.pgpass."""
    table: str | None = None
    """Table or view to read, such as public.cards; its name as it is, in upper and lower case."""
    query: str | None = None
    """SELECT to read instead of a table. It runs read-only, in UTC; its order does not matter."""

    @property
    def chosen(self) -> bool:
        """Whether rows are to be read from here."""
        return self.table is not None or self.query is not None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.table is not None and self.query is not None:
            raise ValueError("give a table or a query, not both")
        if self.chosen and self.uri is None:
            raise ValueError(
                "a table or query needs the address of its database: set "
                f"{ENVIRONMENT_PREFIX}DATA__POSTGRES__URI=postgresql://user:password@host:5432/database"
            )
        return self


class DataSettings(Section):
    """Where the transactions come from: files, a journal or PostgreSQL."""

    paths: tuple[str, ...] = ()
    """Files or globs: CSV, Parquet, JSON lines."""
    mapping: str = "kuntur"
    """A shipped mapping (kuntur, handbook) or the path of one."""
    journal: Path | None = None
    """Directory of a server's journal, read instead of files; not both."""
    journal_keys: Path | None = None
    """Folder of the keys of an encrypted journal, as the server's journal.encryption.keys."""
    postgres: PostgresSettings = PostgresSettings()
    """A PostgreSQL database whose rows are read instead of files."""
    since: datetime | None = None
    """Earliest event time to read; all when unset. A time that names no zone is in the mapping's; UTC with a
    journal."""
    until: datetime | None = None
    """The moment at which the trainer stands: later transactions and labels are unknown. Default: just after
    the last transaction. Zone as of since."""
    max_reject_share: float = Field(default=0.01, ge=0, le=1)
    """Above this share of bad rows the run stops."""

    @property
    def chosen(self) -> bool:
        """Whether there is anything to read from."""
        return bool(self.paths) or self.journal is not None or self.postgres.chosen

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.paths and self.journal is not None:
            raise ValueError("give files or a journal, not both")
        if self.postgres.chosen and (self.paths or self.journal is not None):
            raise ValueError("give PostgreSQL or files or a journal, only one of them")
        return self


class CheckSettings(Section):
    """What is expected of the data as a whole. What is not met is a warning, or stops the run by strict."""

    strict: bool = False
    """Whether a warning stops the run, too."""
    min_fraud_share: float = Field(default=0.0001, ge=0, le=1)
    """Share of fraud among the labels, at the least."""
    max_fraud_share: float = Field(default=0.2, ge=0, le=1)
    """Share of fraud among the labels, at the most."""
    max_gap_days: NonNegativeInt = 2
    """Days in a row without a transaction, at the most."""
    min_day_share: float = Field(default=0.2, ge=0, le=1)
    """Transactions of a day as a share of the median day's, at the least; not of the first and last day."""
    max_missing_share: float = Field(default=0.95, ge=0, le=1)
    """Share of rows in which a column that is given at all may be missing."""
    max_repeated_share: float = Field(default=0.01, ge=0, le=1)
    """Share of transactions that repeat another in all but their id, at the most."""
    max_account_share: float = Field(default=0.1, ge=0, le=1)
    """Share of all transactions that one account may have."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_fraud_share > self.max_fraud_share:
            raise ValueError("min_fraud_share must not be above max_fraud_share")
        return self


class SplitSettings(Section):
    """How time is cut. Never at random."""

    label_delay_days: float | None = Field(default=None, ge=0)
    """Days that labels need to arrive. Default: the mapping's; 14 where it has none."""
    select_days: PositiveFloat = 7
    """Days behind the training and its label delay that choose the model."""
    calibrate_days: PositiveFloat = 7
    """Days behind those that calibrate it and set its thresholds."""
    test_days: PositiveFloat = 7
    """Days behind those, up to the label delay before until, that give its figures and nothing else."""
    training_days: PositiveFloat | None = None
    """Days to learn from at the most; all when unset. Features always see the whole history."""
    warm_up_days: float = Field(default=7, ge=0)
    """Days at the start that only fill the windows and are not learnt from."""
