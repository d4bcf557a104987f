"""Runs the compiled parts once before the first caller comes: the compiler may take seconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from google.rpc import status_pb2

from kuntur.api.v1 import outcome_pb2, scoring_service_pb2
from kuntur.features import FEATURE_NAMES
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.reasons import Reasoner, smallest_explanations
from kuntur.scores import Decision, Scores
from kuntur.transaction import Channel, Transaction, TransactionType
from kuntur.values import to_proto
from kuntur.wire import InstitutionSet, TransactionReader, write_frame
from server.journal import Buffer, MemoryJournal
from server.journal.form import LEAST_BYTES
from server.models import compile_decisions, compile_run
from server.state import HistorySizes, Region, RegionHistory

_FRAME = 256
_TIME = datetime(2024, 1, 1, tzinfo=UTC)


def compile_hot_path(reader: TransactionReader) -> None:
    """Runs transactions and an outcome through the reader, the writer and a history that is thrown away."""
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
    message, refused = to_proto(transaction), to_proto(replace(transaction, account_id=""))
    latest_time_us = int(_TIME.timestamp() * 1e6)
    sizes = HistorySizes(accounts=4, merchants=4, devices=4, categories=4, recent_transactions=4)
    region = Region.create(sizes)
    journal = MemoryJournal(Buffer.anonymous(LEAST_BYTES))
    history = RegionHistory(region, journal)
    # Alone, in a frame with one that breaks a rule, and in a frame large enough for the compiled writer.
    for messages in ([message], [message, refused], [message] * _FRAME):
        request = scoring_service_pb2.ScoreStreamRequest(transactions=messages)
        raw = request.SerializeToString()
        reading = reader.read_request(raw, latest_time_us)
        InstitutionSet(["warm-up"]).foreign(raw, len(messages))
        entry = entries.admission(RequestKind.SCORE_STREAM, [raw])
        admitted = history.admit(reading.batch, reading.places, entry, scored=True)
        history.earlier(admitted, reading.batch.keys, [0])
        given = entries.answer(RequestKind.SCORE_STREAM, admitted.sequence, [b""])
        history.answer(reading.batch.keys, admitted.trail, given, admitted)
        n = len(reading.batch)
        scores = Scores(np.zeros(n, np.float32), np.full(n, Decision.APPROVE, np.int8), "warm-up")
        statuses = {place: status_pb2.Status() for place in reading.violations}
        write_frame(reading.ids, reading.places, scores, statuses)
    outcome = outcome_pb2.Outcome(
        transaction_id="warm-up", label=outcome_pb2.OUTCOME_LABEL_FRAUD, reported_time=message.event_time
    )
    history.report(reader.read_outcomes([outcome], latest_time_us)[0])
    for check in history.checks(_FRAME):
        check()
    region.close()
    journal.buffer.close()
    _compile_reasons()
    compile_decisions()
    compile_run()


def _compile_reasons() -> None:
    """Takes a row apart by each kind of explanation, as a first model would on the watcher's thread."""
    row = np.zeros((1, len(FEATURE_NAMES)), dtype=np.float32)
    for explanation in smallest_explanations():
        Reasoner(explanation, FEATURE_NAMES[:1]).reasons(row[:, :1].copy(), row, 1)
