"""What became of past transactions that a server was warmed with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clients.errors import KunturError, error_from_status
from clients.values.counts import at_least_one
from kuntur.api.v1 import history_service_pb2
from kuntur.transaction import Transaction
from kuntur.values import to_proto

MAX_FRAME_TRANSACTIONS = 4096


@dataclass(frozen=True, slots=True)
class BackfillFailure:
    """A past transaction that was refused: its place in the whole stream, from 0, and why."""

    index: int
    error: KunturError


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """What became of past transactions."""

    accepted_count: int
    """Transactions that are now part of the history."""

    repeated_count: int
    """Transactions that the server still knew from before."""

    refused_count: int
    """Transactions that were refused."""

    failures: tuple[BackfillFailure, ...]
    """The first of the refused, at most 100."""


def backfill_requests(
    transactions: Iterable[Transaction], frame_transactions: int
) -> Iterator[history_service_pb2.BackfillRequest]:
    """Cuts past transactions, oldest first, into the frames of one call.

    Raises ValueError, at once and not when the first is asked for, when a frame would hold less than 1.
    """
    at_least_one(frame_transactions=frame_transactions)
    return _requests(transactions, frame_transactions)


def _requests(
    transactions: Iterable[Transaction], frame_transactions: int
) -> Iterator[history_service_pb2.BackfillRequest]:
    request = history_service_pb2.BackfillRequest()
    for transaction in transactions:
        request.transactions.append(to_proto(transaction))
        if len(request.transactions) == frame_transactions:
            yield request
            request = history_service_pb2.BackfillRequest()
    if request.transactions:
        yield request


def report_from_proto(response: history_service_pb2.BackfillResponse) -> BackfillReport:
    """Reads what became of a backfill from the wire."""
    return BackfillReport(
        accepted_count=response.accepted_count,
        repeated_count=response.repeated_count,
        refused_count=response.refused_count,
        failures=tuple(
            BackfillFailure(each.index, error_from_status(each.status)) for each in response.failures
        ),
    )
