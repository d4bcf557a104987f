"""Days of transactions, piece by piece: ordinary rows and planned frauds, booked, labelled, named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from kuntur.transaction import AccountType
from trainer.synthetic.behaviour import ordinary_rows
from trainer.synthetic.calendar import DAY_US, rows_a_day
from trainer.synthetic.config import SyntheticConfig
from trainer.synthetic.ledger import Ledger
from trainer.synthetic.naming import Names
from trainer.synthetic.places import LIMA_OFFSET_S
from trainer.synthetic.population import Population, populate
from trainer.synthetic.rows import CAUSE_NAMES, Array, Cause, Rows, concatenate
from trainer.synthetic.schemes import plan

_ROWS_A_PIECE = 250_000  # aimed at: a few hundred megabytes while a piece is made
_DAYS_A_PIECE = 7  # at most: a cash-out takes shares of the balance at the start of its piece
_MOST_REPORT_DAYS = 45.0

Progress = Callable[[int, int], None]


def generate(config: SyntheticConfig) -> pl.DataFrame:
    """Returns all rows in canonical columns, by event time, and `fraud_cause` (String, "" when legitimate).

    fraud_cause is for people who study a result; a model that saw it would learn nothing else.
    """
    return pl.concat(list(pieces(config)))


def write(config: SyntheticConfig, path: Path, progress: Progress | None = None) -> int:
    """Writes the rows to one Parquet file, holding one piece of days at a time; returns their number.

    The file appears whole or not at all. progress: called with rows written and rows in all after
    each piece. Needs pyarrow, which comes with Ray.
    """
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    writer, written = None, 0
    try:
        for piece in pieces(config):
            table = piece.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or pq.ParquetWriter(partial, table.schema, compression="zstd")
            writer.write_table(table)
            written += piece.height
            if progress is not None:
                progress(written, config.transactions)
    finally:
        if writer is not None:
            writer.close()
        if written != config.transactions:
            partial.unlink(missing_ok=True)
    partial.replace(path)
    return written


def pieces(config: SyntheticConfig) -> Iterator[pl.DataFrame]:
    """Yields the rows in frames of one or more days each, each sorted by event time and after the last."""
    seeds = np.random.SeedSequence(config.seed).spawn(3)
    population = populate(config, np.random.default_rng(seeds[0]))
    planned = plan(config, population, np.random.default_rng(seeds[1]))
    count = config.transactions - len(planned)
    counts = rows_a_day(config.start, config.days, count, seasons=config.seasons)
    size = int(np.clip(_ROWS_A_PIECE * config.days // config.transactions, 1, _DAYS_A_PIECE))
    firsts = range(0, config.days, size)
    ledger = Ledger(population.accounts.opening_balance)
    bank = _Bank(config, population, Names(config, population), ledger)
    number = 0
    for first, seed in zip(firsts, seeds[2].spawn(len(firsts)), strict=True):
        rng = np.random.default_rng(seed)
        days = counts[first : first + size]
        ordinary = ordinary_rows(population, config, first, days, rng)
        low, high = np.searchsorted(planned.time_us, [first * DAY_US, (first + len(days)) * DAY_US])
        rows = concatenate([ordinary, planned.take(slice(int(low), int(high)))])
        rows = rows.take(np.argsort(rows.time_us, kind="stable"))
        yield bank.record(rows, number, rng)
        number += len(rows)


@dataclass(frozen=True, slots=True)
class _Bank:
    """What turns rows of numbers into the bank's records; the ledger changes with every piece."""

    config: SyntheticConfig
    population: Population
    names: Names
    ledger: Ledger

    def record(self, rows: Rows, number: int, rng: np.random.Generator) -> pl.DataFrame:
        """Returns rows, which are in order of time, as records; number: how many came before."""
        amount, balance = self.ledger.post(rows)
        midnight = datetime(
            self.config.start.year, self.config.start.month, self.config.start.day, tzinfo=UTC
        )
        origin = (int(midnight.timestamp()) - LIMA_OFFSET_S) * 1_000_000
        event = rows.time_us + origin
        account_type = self.population.accounts.type[rows.account]
        owed = account_type == AccountType.CREDIT_CARD  # a credit card has a line, not a balance
        is_fraud = rows.cause != Cause.LEGITIMATE
        columns = {
            "event_time": pl.Series(event).cast(pl.Datetime("us", "UTC")),
            "amount_minor": pl.Series(amount),
            "type": pl.Series(rows.type),
            "channel": pl.Series(rows.channel),
            "account_type": pl.Series(account_type),
            "account_balance_minor": pl.Series(balance).set(pl.Series(owed), None),
            "account_age_days": pl.Series(
                (self.population.accounts.age_days[rows.account] + rows.time_us // DAY_US).astype(np.int32)
            ),
            "is_fraud": pl.Series(is_fraud),
            "reported_time": pl.Series(event + _report_lag_us(self.config, is_fraud, rng)).cast(
                pl.Datetime("us", "UTC")
            ),
            "fraud_cause": self.names.of_causes(CAUSE_NAMES, rows.cause),
        }
        return pl.DataFrame(columns | self.names.of_rows(rows, number)).select(self.names.order)


def _report_lag_us(config: SyntheticConfig, is_fraud: Array, rng: np.random.Generator) -> Array:
    median = config.fraud_delay_median_days
    days = np.full(len(is_fraud), config.legitimate_delay_days)
    frauds = np.flatnonzero(is_fraud)
    lag = median * np.exp(0.9 * rng.standard_normal(len(frauds)))
    days[frauds] = np.clip(lag, 1 / 24, _MOST_REPORT_DAYS)
    return np.round(days * 86_400).astype(np.int64) * 1_000_000
