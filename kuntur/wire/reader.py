"""Requests to columns: the compiled scan where it serves, protobuf's own messages everywhere else.

The way through protobuf is the reference: it finds every violation and decides what is malformed. One
pass over the messages in Python collects what protobuf gives only field by field; hashing and checking
run compiled over the whole frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from kuntur.api.v1 import outcome_pb2, scoring_service_pb2, transaction_pb2
from kuntur.compiled.native import native, native_owning
from kuntur.currency import CURRENCY_NUMBER, MINOR_UNIT_SCALE, country_numbers, to_cents
from kuntur.identity import SCOPED, Institutions, hash_ids
from kuntur.transaction import (
    MAX_ACCOUNT_AGE_DAYS,
    MAX_AMOUNT_MINOR,
    MAX_ATTRIBUTES,
    MAX_BALANCE_MINOR,
    MAX_ID_BYTES,
    MIN_EVENT_TIME_S,
    UNSET_INT,
    AccountType,
    Channel,
    FloatColumn,
    IntColumn,
    KeyColumn,
    OutcomeBatch,
    TransactionBatch,
    TransactionType,
)
from kuntur.validation.messages import (
    Violation,
    is_attribute,
    is_ip_address,
    outcome_violations,
    transaction_violations,
)
from kuntur.wire.attributes import read_attributes
from kuntur.wire.codes import make_context
from kuntur.wire.reading import MalformedError, OversizedError, Reading, TransactionIds
from kuntur.wire.scan import read_outline, scan

_NAN = math.nan
_NO_TIME = -(2**62)
_MAX_SECONDS = 2**62 // 1_000_000  # beyond, microseconds leave 64 bits; such a time breaks the rules anyway
_KEYS, _INTS, _FLOATS = len(KeyColumn), len(IntColumn), len(FloatColumn)
_TIME, _TYPE, _CHANNEL = int(IntColumn.EVENT_TIME_US), int(IntColumn.TYPE), int(IntColumn.CHANNEL)
_ACCOUNT_TYPE, _AGE = int(IntColumn.ACCOUNT_TYPE), int(IntColumn.ACCOUNT_AGE_DAYS)
_COUNTRY, _CURRENCY = int(IntColumn.COUNTRY), int(IntColumn.CURRENCY)
_TRANSACTION_ID, _ACCOUNT_ID = int(KeyColumn.TRANSACTION), int(KeyColumn.ACCOUNT)
_CATEGORY_CODE = int(KeyColumn.CATEGORY)
_LAST_TYPE, _LAST_CHANNEL, _LAST_ACCOUNT_TYPE = max(TransactionType), max(Channel), max(AccountType)
_VERIFICATION = int(TransactionType.VERIFICATION)
# A message with an amount or balance out of range is marked so, and never enters the engine.
_BAD = -(2**62)


@native_owning
def _starts(lengths):
    starts = np.empty_like(lengths)
    total = 0
    for row in range(lengths.shape[0]):
        for column in range(lengths.shape[1]):
            starts[row, column] = total
            total += lengths[row, column]
    return starts


@native
def _check(data, starts, lengths, ints, floats, latest_time_us, suspects):
    """Marks the rows that break a rule. Gives how many are marked in all."""
    marked = 0
    for i in range(len(ints)):
        bad = lengths[i, _TRANSACTION_ID] == 0 or lengths[i, _ACCOUNT_ID] == 0
        for column in range(lengths.shape[1]):
            bad |= lengths[i, column] > MAX_ID_BYTES
        category = lengths[i, _CATEGORY_CODE]
        bad |= not (category == 0 or category == 4)  # noqa: PLR1714 - compiled, a set is slow
        if category == 4:
            for byte in range(4):
                digit = data[starts[i, _CATEGORY_CODE] + byte]
                bad |= digit < 48 or digit > 57
        time = ints[i, _TIME]
        bad |= time < MIN_EVENT_TIME_S * 1_000_000 or time > latest_time_us
        bad |= ints[i, 1] == _BAD or ints[i, 2] == _BAD
        bad |= ints[i, _TYPE] < 0 or ints[i, _TYPE] > _LAST_TYPE
        bad |= ints[i, _CHANNEL] < 0 or ints[i, _CHANNEL] > _LAST_CHANNEL
        bad |= ints[i, _ACCOUNT_TYPE] < 0 or ints[i, _ACCOUNT_TYPE] > _LAST_ACCOUNT_TYPE
        age = ints[i, _AGE]
        bad |= age != UNSET_INT and (age < 0 or age > MAX_ACCOUNT_AGE_DAYS)
        bad |= ints[i, _COUNTRY] < 0 or ints[i, _CURRENCY] == 0
        latitude, longitude = floats[i, 0], floats[i, 1]
        bad |= np.isnan(latitude) != np.isnan(longitude)
        bad |= abs(latitude) > 90.0 or abs(longitude) > 180.0
        suspects[i] |= bad
        marked += suspects[i]
    return marked


def _time_us(seconds: int, nanos: int) -> int:
    if 0 <= nanos < 1_000_000_000 and -_MAX_SECONDS <= seconds <= _MAX_SECONDS:
        return seconds * 1_000_000 + nanos // 1_000
    return _NO_TIME


def _position(transaction: transaction_pb2.Transaction, field: str, value: float) -> float:
    # A NaN that was sent must not pass for a value that was not.
    if value != 0.0 or transaction.HasField(field):
        return math.inf if math.isnan(value) else value
    return _NAN


def _attributes_are_good(attributes: dict[str, float]) -> bool:
    return len(attributes) <= MAX_ATTRIBUTES and all(is_attribute(k, v) for k, v in attributes.items())


_ANY_NUMBER = 2**31
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

        The three are alike: field 1 holds the transaction or transactions; of the first two, field 2 says
        which scores are to carry reasons, and the third has none. Raises MalformedError, and
        before anything is converted OversizedError.
        """
        reading = self._scan(raw, latest_time_us, max_transactions)
        return reading if reading is not None else self._read_messages(raw, latest_time_us, max_transactions)

    def _scan(self, raw: bytes, latest_time_us: int, max_transactions: int) -> Reading | None:
        """Reads a request that is as nearly all are; None for any other, whatever is the matter with it."""
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
            raise MalformedError("the request is no message of its type") from error
        if len(request.transactions) > max_transactions:
            raise OversizedError(len(request.transactions))
        reading = self.read_transactions(request.transactions, latest_time_us)
        return reading._replace(reasons_mode=request.reasons_mode)

    def read_transactions(
        self, messages: Sequence[transaction_pb2.Transaction], latest_time_us: int
    ) -> Reading:
        """Converts and checks transactions; event times after `latest_time_us` are refused."""
        n = len(messages)
        texts: list[str] = []
        rows: list[tuple[int, ...]] = []
        positions: list[tuple[float, float]] = []
        scopes: list[int] = []
        suspects = np.zeros(n, dtype=np.bool_)
        attributes: dict[str, npt.NDArray[np.float64]] = {}
        add_texts, add_row, add_position, add_scope = (
            texts.extend,
            rows.append,
            positions.append,
            scopes.append,
        )
        scope_of, currency_of, country_of = self._institutions.scope, CURRENCY_NUMBER.get, self._countries.get
        for i, t in enumerate(messages):
            time = t.event_time
            kind = t.type
            amount = t.amount_minor
            code = t.currency_code
            balance = t.account_balance_minor
            if balance == 0 and not t.HasField("account_balance_minor"):
                balance = UNSET_INT
            elif not -MAX_BALANCE_MINOR <= balance <= MAX_BALANCE_MINOR:
                balance = _BAD
            if not 0 < amount <= MAX_AMOUNT_MINOR and (amount != 0 or kind != _VERIFICATION):
                amount = _BAD
            if code in MINOR_UNIT_SCALE:
                amount = amount if amount == _BAD else to_cents(amount, code)
                balance = balance if balance in (_BAD, UNSET_INT) else to_cents(balance, code)
            age = t.account_age_days
            if age == 0 and not t.HasField("account_age_days"):
                age = UNSET_INT
            add_texts(
                (
                    t.transaction_id,
                    t.account_id,
                    t.merchant_id,
                    t.device_id,
                    t.merchant_category_code,
                    t.counterparty_account_id,
                )
            )
            add_row(
                (
                    _time_us(time.seconds, time.nanos),
                    amount,
                    balance,
                    kind,
                    t.channel,
                    t.account_type,
                    age,
                    country_of(t.merchant_country_code, -1),
                    currency_of(code, 0),
                    1,
                )
            )
            add_position(
                (
                    _position(t, "merchant_latitude", t.merchant_latitude),
                    _position(t, "merchant_longitude", t.merchant_longitude),
                )
            )
            institution = t.institution_id
            add_scope(scope_of(institution))
            address = t.ip_address
            if (address and not is_ip_address(address)) or len(institution.encode()) > MAX_ID_BYTES:
                suspects[i] = True
            if t.attributes:
                given = dict(t.attributes)
                if _attributes_are_good(given):
                    for name, value in given.items():
                        if name not in attributes:
                            attributes[name] = np.full(n, np.nan)
                        attributes[name][i] = value
                else:
                    suspects[i] = True
        ints = np.array(rows, dtype=np.int64).reshape(n, len(IntColumn))
        floats = np.array(positions, dtype=np.float64).reshape(n, len(FloatColumn))
        data, starts, lengths = _join(texts, len(KeyColumn))
        keys = np.empty((n, len(KeyColumn)), dtype=np.uint64)
        hash_ids(data, starts, lengths, np.array(scopes, dtype=np.uint64), SCOPED, self._secret, keys)
        marked = _check(data, starts, lengths, ints, floats, latest_time_us, suspects)
        batch = TransactionBatch(keys, ints, floats, attributes)
        if marked == 0:
            return Reading(texts[:: len(KeyColumn)], batch, np.arange(n), {})
        violations = {
            i: transaction_violations(messages[i], latest_time_us, countries=self._countries)
            for i in np.flatnonzero(suspects).tolist()
        }
        good = np.flatnonzero(~suspects)
        return Reading(texts[:: len(KeyColumn)], batch.rows(good), good, violations)

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
        data, starts, lengths = _join([m.transaction_id for m in chosen], 1)
        keys = np.zeros((len(good), len(KeyColumn)), dtype=np.uint64)
        scopes = np.array([self._institutions.scope(m.institution_id) for m in chosen], dtype=np.uint64)
        hash_ids(data, starts, lengths, scopes, SCOPED[:1], self._secret, keys)
        times = [m.reported_time.seconds * 1_000_000 + m.reported_time.nanos // 1_000 for m in chosen]
        frauds = [m.label == outcome_pb2.OUTCOME_LABEL_FRAUD for m in chosen]
        batch = OutcomeBatch(keys, np.array(times, dtype=np.int64), np.array(frauds, dtype=np.bool_))
        return batch, np.array(good, dtype=np.int64), violations


def _join(
    texts: list[str], columns: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    joined = "".join(texts)
    if joined.isascii():
        raw, sizes = joined.encode(), list(map(len, texts))
    else:
        encoded = [text.encode() for text in texts]
        raw, sizes = b"".join(encoded), list(map(len, encoded))
    lengths = np.array(sizes, dtype=np.int64).reshape(-1, columns)
    return np.frombuffer(raw, dtype=np.uint8), _starts(lengths), lengths
