"""Runs the compiled parts once before the first caller comes: the compiler may take seconds."""

from __future__ import annotations

from datetime import UTC, datetime

from kuntur.api.v1 import outcome_pb2, scoring_service_pb2
from kuntur.transaction import Channel, Transaction, TransactionType
from kuntur.wire import TransactionReader, to_proto
from server.state import MemoryHistory

_TIME = datetime(2024, 1, 1, tzinfo=UTC)


def compile_hot_path(reader: TransactionReader) -> None:
    """Takes a transaction and its outcome through the reader and a history that is thrown away."""
    transaction = Transaction(
        transaction_id="warm-up",
        event_time=_TIME,
        account_id="warm-up",
        amount_minor=100,
        currency_code="PEN",
        type=TransactionType.PURCHASE,
        channel=Channel.ECOMMERCE,
        merchant_id="warm-up",
        merchant_category_code="5411",
        merchant_country_code="PE",
        device_id="warm-up",
        ip_address="192.0.2.1",
        attributes={"warm_up": 1.0},
    )
    message = to_proto(transaction)
    latest_time_us = int(_TIME.timestamp() * 1e6)
    history = MemoryHistory(recent_transactions=16, entities=16)
    request = scoring_service_pb2.ScoreStreamRequest(transactions=[message, message])
    reading = reader.read_request(request.SerializeToString(), latest_time_us)
    history.score_features(reading.batch)
    outcome = outcome_pb2.Outcome(
        transaction_id="warm-up", label=outcome_pb2.OUTCOME_LABEL_FRAUD, reported_time=message.event_time
    )
    history.report(reader.read_outcomes([outcome], latest_time_us)[0])
