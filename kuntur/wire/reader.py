"""Requests to columns: the compiled scan where it serves, protobuf's own messages everywhere else.

The way through protobuf is the reference: it finds every violation and decides what is malformed. One
pass over the messages in Python (`kuntur.wire.messages`) collects what protobuf hands out field by field;
hashing and checking run compiled over the whole frame.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from kuntur.api.v1 import outcome_pb2, outcome_service_pb2, scoring_service_pb2, transaction_pb2
from kuntur.currency import country_numbers
from kuntur.identity import SCOPED, Institutions, content_hash, hash_ids
from kuntur.transaction import (
    FloatColumn,
    IntColumn,
    KeyColumn,
    OutcomeBatch,
    OutcomeLabel,
    TransactionBatch,
)
from kuntur.validation.messages import Violation, outcome_violations, transaction_violations
from kuntur.wire.attributes import read_attributes
from kuntur.wire.codes import make_context
from kuntur.wire.messages import gather, join
from kuntur.wire.outline import read_outline
from kuntur.wire.reading import MalformedError, OversizedError, Reading, TransactionIds
from kuntur.wire.scan import scan

_KEYS, _INTS, _FLOATS = len(KeyColumn), len(IntColumn), len(FloatColumn)
_ANY_NUMBER = 2**31
_ANY_TIME_US = 2**62
_ONLY = np.zeros(1, dtype=np.int64)  # the place of a lone transaction; never written to
_ONLY.flags.writeable = False


class TransactionReader:
    """Turns messages into columns under one hash key."""

    def __init__(self, secret: npt.NDArray[np.uint64], user_assigned: Iterable[str] = ()) -> None:
        """Takes the secret of the ids' hashes, uint64 [2], and user-assigned codes of countries to accept."""
        self._countries = country_numbers(user_assigned)
        self._secret = secret
        self._institutions = Institutions(secret)
        self._context = make_context(secret, self._countries)

    def read_request(self, raw: bytes, latest_time_us: int, max_transactions: int = _ANY_NUMBER) -> Reading:
        """Reads a serialised ScoreTransactionRequest, ScoreStreamRequest or BackfillRequest.

        Field 1 of each holds the transaction or transactions; field 2 of the first two says which scores
        carry reasons, and the third has no such field. Raises MalformedError, and OversizedError before
        anything is converted.
        """
        reading = self._scan(raw, latest_time_us, max_transactions)
        return reading if reading is not None else self._read_messages(raw, latest_time_us, max_transactions)

    def _scan(self, raw: bytes, latest_time_us: int, max_transactions: int) -> Reading | None:
        """Reads a request that is good and plainly written, as nearly all are; None for any other."""
        n, reasons_mode = read_outline(raw)
        if n <= 0:
            return None
        if n > max_transactions:
            raise OversizedError(n)
        keys = np.empty((n, _KEYS), dtype=np.uint64)
        ints = np.empty((n, _INTS), dtype=np.int64)
        floats = np.empty((n, _FLOATS), dtype=np.float64)
        spans = np.empty((n, 2), dtype=np.int64)
        count = scan(raw, latest_time_us, self._context, keys, ints, floats, spans)
        if count < 0:
            return None
        attributes = read_attributes(raw, n, count) if count > 0 else {}
        if attributes is None:
            return None
        batch = TransactionBatch(keys, ints, floats, attributes)
        places = _ONLY if n == 1 else np.arange(n)
        return Reading(TransactionIds(raw, spans), batch, places, {}, reasons_mode)

    def _read_messages(self, raw: bytes, latest_time_us: int, max_transactions: int) -> Reading:
        """Reads any request, through protobuf. Raises MalformedError, OversizedError."""
        try:
            request = scoring_service_pb2.ScoreStreamRequest.FromString(raw)
        except DecodeError as error:
            raise MalformedError("the request is not a valid message of its type") from error
        if len(request.transactions) > max_transactions:
            raise OversizedError(len(request.transactions))
        reading = self.read_transactions(request.transactions, latest_time_us)
        return reading._replace(reasons_mode=request.reasons_mode)

    def read_transactions(
        self, messages: Sequence[transaction_pb2.Transaction], latest_time_us: int
    ) -> Reading:
        """Converts and checks transactions; event times after `latest_time_us` are refused."""
        found = gather(messages, self._countries, self._institutions.scope)
        keys = np.empty((len(messages), _KEYS), dtype=np.uint64)
        hash_ids(*found.texts, found.scopes, SCOPED, self._secret, keys)
        found.ints[:, IntColumn.CONTENT] = [self._content(message) for message in messages]
        batch = TransactionBatch(keys, found.ints, found.floats, found.attributes)
        if found.mark_broken(latest_time_us) == 0:
            return Reading(found.ids, batch, np.arange(len(messages)), {})
        violations = {
            i: transaction_violations(messages[i], latest_time_us, countries=self._countries)
            for i in np.flatnonzero(found.suspects).tolist()
        }
        good = np.flatnonzero(~found.suspects)
        return Reading(found.ids, batch.rows(good), good, violations)

    def _content(self, message: transaction_pb2.Transaction) -> int:
        """Returns the hash of a transaction's bytes as protobuf writes them in order."""
        raw = np.frombuffer(message.SerializeToString(deterministic=True), dtype=np.uint8)
        return int(content_hash(raw, 0, len(raw), *self._secret))

    def read_report(self, raw: bytes, refused: Container[int]) -> OutcomeBatch:
        """Reads a serialised ReportOutcomesRequest again, without the outcomes at some places.

        Raises MalformedError, also where one of the others breaks a rule.
        """
        try:
            request = outcome_service_pb2.ReportOutcomesRequest.FromString(raw)
        except DecodeError as error:
            raise MalformedError("the request is not a valid message of its type") from error
        taken = [outcome for place, outcome in enumerate(request.outcomes) if place not in refused]
        batch, _, violations = self.read_outcomes(taken, _ANY_TIME_US)
        for found in violations.values():
            raise MalformedError(f"an outcome's {found[0].field} {found[0].description}")
        return batch

    def read_outcomes(
        self, messages: Sequence[outcome_pb2.Outcome], latest_time_us: int
    ) -> tuple[OutcomeBatch, npt.NDArray[np.int64], dict[int, list[Violation]]]:
        """Converts and checks outcomes; only the TRANSACTION column of the keys is filled.

        Returns the good ones, their places in the request, and violations by place.
        """
        violations = {}
        good = []
        for i, outcome in enumerate(messages):
            found = outcome_violations(outcome, latest_time_us)
            if found:
                violations[i] = found
            else:
                good.append(i)
        chosen = [messages[i] for i in good]
        texts = join([m.transaction_id for m in chosen], 1)
        keys = np.zeros((len(good), _KEYS), dtype=np.uint64)
        scopes = np.array([self._institutions.scope(m.institution_id) for m in chosen], dtype=np.uint64)
        hash_ids(*texts, scopes, SCOPED[:1], self._secret, keys)
        times = [m.reported_time.seconds * 1_000_000 + m.reported_time.nanos // 1_000 for m in chosen]
        frauds = [int(m.label) == OutcomeLabel.FRAUD for m in chosen]
        batch = OutcomeBatch(keys, np.array(times, dtype=np.int64), np.array(frauds, dtype=np.bool_))
        return batch, np.array(good, dtype=np.int64), violations
