"""A server's journal as a table: what it was asked to score, and what it was told became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from kuntur.api.v1 import (
    history_service_pb2,
    outcome_pb2,
    outcome_service_pb2,
    scoring_service_pb2,
    transaction_pb2,
)
from kuntur.journal.exchanges import Exchange, read_exchanges
from kuntur.journal.file import Loss
from kuntur.journal.sealing import KeyRing
from kuntur.journal.v1 import journal_pb2
from kuntur.tables import RejectReport, Table, canonical_schema
from kuntur.transaction import ATTRIBUTE_PREFIX
from trainer.sources.labels import NAME
from trainer.sources.split import TooLittleHistoryError

_OPTIONAL = ("account_balance_minor", "account_age_days", "merchant_latitude", "merchant_longitude")
_PLAIN = (
    "transaction_id", "institution_id", "account_id", "amount_minor", "currency_code", "type", "channel",
    "account_type", "counterparty_account_id", "merchant_id", "merchant_category_code",
    "merchant_country_code", "device_id", "ip_address",
)  # fmt: skip
_OUTCOME = ("transaction_id", "institution_id", "is_fraud", "reported_time")


def _entered(exchange: Exchange) -> Iterator[transaction_pb2.Transaction]:
    """Yields the transactions of a request that entered the history, or were there already."""
    kind, request, refused = exchange.kind, exchange.request, frozenset(exchange.refused)
    transactions: Iterable[transaction_pb2.Transaction]
    if kind == journal_pb2.REQUEST_KIND_SCORE_TRANSACTION:
        transactions = (scoring_service_pb2.ScoreTransactionRequest.FromString(request).transaction,)
    elif kind == journal_pb2.REQUEST_KIND_SCORE_STREAM:
        transactions = scoring_service_pb2.ScoreStreamRequest.FromString(request).transactions
    else:
        transactions = history_service_pb2.BackfillRequest.FromString(request).transactions
    for place, transaction in enumerate(transactions):
        if place not in refused:
            yield transaction


def _taken_outcomes(exchange: Exchange) -> Iterator[tuple[str, str, bool, int]]:
    """Yields the outcomes of a call without those that the server refused, as _OUTCOME names them."""
    request = outcome_service_pb2.ReportOutcomesRequest.FromString(exchange.request)
    for place, outcome in enumerate(request.outcomes):
        if place not in exchange.refused:
            is_fraud = outcome.label == outcome_pb2.OUTCOME_LABEL_FRAUD
            time = outcome.reported_time
            time_us = time.seconds * 1_000_000 + time.nanos // 1_000
            yield outcome.transaction_id, outcome.institution_id, is_fraud, time_us


class _Columns:
    """Values by column, grown transaction by transaction."""

    def __init__(self) -> None:
        self.values: dict[str, list[object]] = {name: [] for name in (*_PLAIN, *_OPTIONAL)}
        self.times_us: list[int] = []
        self.attributes: list[tuple[int, str, float]] = []
        self.count = 0

    def add(self, transaction: transaction_pb2.Transaction) -> None:
        """Takes one transaction."""
        values = self.values
        for name in _PLAIN:
            values[name].append(getattr(transaction, name))
        for name in _OPTIONAL:
            values[name].append(getattr(transaction, name) if transaction.HasField(name) else None)
        time = transaction.event_time
        self.times_us.append(time.seconds * 1_000_000 + time.nanos // 1_000)
        for name, value in transaction.attributes.items():
            self.attributes.append((self.count, name, value))
        self.count += 1


def read_journal(
    directory: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    lost: Callable[[Loss], None] = lambda _: None,
    keys: KeyRing | None = None,
) -> Table:
    """Reads the journal of a server as a canonical table. since <= event time < until.

    A transaction that came more than once counts once, as it came first. All outcomes are in `outcomes`;
    the frame has no labels yet, which `trainer.sources.labels.known_at` gives it. lost: called with each torn
    tail, which is taken for the end of its file, and with the entries that a repair went on without; keys:
    of the journal, for files that are encrypted. Raises TooLittleHistoryError when there is no transaction,
    and what `kuntur.journal.file` raises for a damaged file or a missing key.
    """
    columns, seen = _Columns(), set[tuple[str, str]]()
    reports: list[tuple[str, str, bool, int]] = []
    for exchange in read_exchanges(directory, allow_torn_tail=True, lost=lost, keys=keys):
        if exchange.kind == journal_pb2.REQUEST_KIND_REPORT_OUTCOMES:
            reports += _taken_outcomes(exchange)
            continue
        for transaction in _entered(exchange):
            name = (transaction.institution_id, transaction.transaction_id)
            if name not in seen:
                seen.add(name)
                columns.add(transaction)
    if columns.count == 0:
        raise TooLittleHistoryError(f"the journal in {directory} holds no transaction")
    frame = _frame(columns)
    if since is not None:
        frame = frame.filter(pl.col("event_time") >= since)
    if until is not None:
        frame = frame.filter(pl.col("event_time") < until)
    frame = frame.sort("event_time", maintain_order=True)  # source_row keeps the order of arrival
    outcomes = _outcomes(reports).join(frame, on=NAME, how="semi", maintain_order="left")
    report = RejectReport(rows_read=frame.height, rows_rejected=0, findings=(), path=None)
    return Table(frame, report, outcomes, served_by_source_row=True)


def _outcomes(reports: list[tuple[str, str, bool, int]]) -> pl.DataFrame:
    schema = pl.Schema({name: canonical_schema()[name] for name in _OUTCOME})
    frame = pl.DataFrame(reports, schema={**schema, "reported_time": pl.Int64()}, orient="row")
    return frame.cast(schema).sort("reported_time", maintain_order=True)


def _frame(columns: _Columns) -> pl.DataFrame:
    names = sorted({name for _, name, _ in columns.attributes})
    schema = canonical_schema(tuple(names))
    data: dict[str, list[Any]] = {**columns.values, "event_time": columns.times_us}
    for name in names:
        data[ATTRIBUTE_PREFIX + name] = [None] * columns.count
    for row, name, value in columns.attributes:
        data[ATTRIBUTE_PREFIX + name][row] = value
    data["is_fraud"] = data["reported_time"] = [None] * columns.count
    data["source_row"] = list(range(columns.count))
    return pl.DataFrame(
        {
            name: pl.Series(
                name, data[name], dtype=pl.Int64 if dtype.is_temporal() else dtype, strict=True
            ).cast(dtype)
            for name, dtype in schema.items()
        }
    )
