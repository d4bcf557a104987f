"""Messages to columns, through protobuf: every field that one pass over them in Python has to collect.

Rows that break a rule are marked and not explained: that is `kuntur.validation.messages`' part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kuntur.api.v1 import transaction_pb2
from kuntur.compiled.native import native, native_owning
from kuntur.currency import CURRENCY_NUMBER, MINOR_UNIT_SCALE, to_cents
from kuntur.fields import transaction as of
from kuntur.transaction import UNSET_INT, FloatColumn, IntColumn, KeyColumn
from kuntur.validation.addresses import is_ip_address
from kuntur.validation.messages import is_attribute
from kuntur.wire.limits import (
    CATEGORY_DIGITS,
    EARLIEST_S,
    F_LATITUDE,
    F_LONGITUDE,
    I_ACCOUNT_TYPE,
    I_AGE,
    I_AMOUNT,
    I_BALANCE,
    I_CHANNEL,
    I_COUNTRY,
    I_CURRENCY,
    I_TIME,
    I_TYPE,
    K_ACCOUNT,
    K_CATEGORY,
    K_TRANSACTION,
    LAST_ACCOUNT_TYPE,
    LAST_CHANNEL,
    LAST_TYPE,
    MAX_AGE_DAYS,
    MAX_AMOUNT,
    MAX_ATTRIBUTES,
    MAX_BALANCE,
    MAX_ID_BYTES,
    MAX_LATITUDE,
    MAX_LONGITUDE,
    MIN_BALANCE,
    VERIFICATION,
)

_NAN = math.nan
_NO_TIME = -(2**62)
_MAX_SECONDS = 2**62 // 1_000_000  # beyond, microseconds leave 64 bits; such a time breaks the rules anyway
# A message with an amount or balance out of range is marked so, and never enters the engine.
_BAD = -(2**62)

_key_texts = attrgetter(*(field.name for field in of.KEYS.values()))


class Texts(NamedTuple):
    """Texts in one run of bytes: uint8 [bytes]; starts and lengths of each, int64 [n, columns]."""

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


class Gathered(NamedTuple):
    """Transactions as they came, good and bad.

    ids: their transaction ids; texts: what `TransactionBatch.keys` holds the hashes of; scopes: uint64 [n],
    of their institutions; ints, floats, attributes: as in `TransactionBatch`; suspects: bool [n], whether a
    rule is broken that these columns do not show.
    """

    ids: list[str]
    texts: Texts
    scopes: npt.NDArray[np.uint64]
    ints: npt.NDArray[np.int64]
    floats: npt.NDArray[np.float64]
    attributes: dict[str, npt.NDArray[np.float64]]
    suspects: npt.NDArray[np.bool_]

    def mark_broken(self, latest_time_us: int) -> int:
        """Adds to `suspects` the rows that break any other rule, and returns how many there are in all."""
        marked: int = _check(self.texts, self.ints, self.floats, latest_time_us, self.suspects)
        return marked


def gather(
    messages: Sequence[transaction_pb2.Transaction],
    countries: Mapping[str, int],
    scope_of: Callable[[str], int],
) -> Gathered:
    """Collects the fields of transactions; countries: of the codes that are valid, the numbers."""
    n = len(messages)
    texts: list[str] = []
    rows: list[tuple[int, ...]] = []
    positions: list[tuple[float, float]] = []
    scopes: list[int] = []
    suspects = np.zeros(n, dtype=np.bool_)
    attributes: dict[str, npt.NDArray[np.float64]] = {}
    for i, t in enumerate(messages):
        texts += _key_texts(t)
        rows.append(_ints(t, countries))
        positions.append(
            (
                _degrees(t, "merchant_latitude", t.merchant_latitude),
                _degrees(t, "merchant_longitude", t.merchant_longitude),
            )
        )
        institution, address = t.institution_id, t.ip_address
        scopes.append(scope_of(institution))
        if (address and not is_ip_address(address)) or len(institution.encode()) > MAX_ID_BYTES:
            suspects[i] = True
        if t.attributes and not _take_attributes(dict(t.attributes), attributes, i, n):
            suspects[i] = True
    return Gathered(
        texts[:: len(KeyColumn)],
        join(texts, len(KeyColumn)),
        np.array(scopes, dtype=np.uint64),
        np.array(rows, dtype=np.int64).reshape(n, len(IntColumn)),
        np.array(positions, dtype=np.float64).reshape(n, len(FloatColumn)),
        attributes,
        suspects,
    )


def join(texts: Sequence[str], columns: int) -> Texts:
    """Returns texts, row after row of so many columns, as one run of bytes."""
    joined = "".join(texts)
    if joined.isascii():
        raw, sizes = joined.encode(), list(map(len, texts))
    else:
        encoded = [text.encode() for text in texts]
        raw, sizes = b"".join(encoded), list(map(len, encoded))
    lengths = np.array(sizes, dtype=np.int64).reshape(-1, columns)
    return Texts(np.frombuffer(raw, dtype=np.uint8), _starts(lengths), lengths)


def _ints(t: transaction_pb2.Transaction, countries: Mapping[str, int]) -> tuple[int, ...]:
    """Returns a row of ints, in the order of IntColumn; what is out of range is marked."""
    kind, code, time = t.type, t.currency_code, t.event_time
    amount, balance, age = t.amount_minor, t.account_balance_minor, t.account_age_days
    if balance == 0 and not t.HasField("account_balance_minor"):
        balance = UNSET_INT
    elif not MIN_BALANCE <= balance <= MAX_BALANCE:
        balance = _BAD
    if not 0 < amount <= MAX_AMOUNT and (amount != 0 or kind != VERIFICATION):
        amount = _BAD
    if code in MINOR_UNIT_SCALE:
        amount = amount if amount == _BAD else to_cents(amount, code)
        balance = balance if balance in (_BAD, UNSET_INT) else to_cents(balance, code)
    if age == 0 and not t.HasField("account_age_days"):
        age = UNSET_INT
    return (
        _time_us(time.seconds, time.nanos),
        amount,
        balance,
        kind,
        t.channel,
        t.account_type,
        age,
        countries.get(t.merchant_country_code, -1),
        CURRENCY_NUMBER.get(code, 0),
        1,
        0,
    )


def _time_us(seconds: int, nanos: int) -> int:
    if 0 <= nanos < 1_000_000_000 and -_MAX_SECONDS <= seconds <= _MAX_SECONDS:
        return seconds * 1_000_000 + nanos // 1_000
    return _NO_TIME


def _degrees(transaction: transaction_pb2.Transaction, field: str, value: float) -> float:
    # A NaN that was sent must not pass for a value that was not.
    if value != 0.0 or transaction.HasField(field):
        return math.inf if math.isnan(value) else value
    return _NAN


def _take_attributes(
    given: dict[str, float], attributes: dict[str, npt.NDArray[np.float64]], row: int, n: int
) -> bool:
    """Writes the attributes of a row into their columns; False, with nothing written, when one is bad."""
    if len(given) > MAX_ATTRIBUTES or not all(is_attribute(*each) for each in given.items()):
        return False
    for name, value in given.items():
        if name not in attributes:
            attributes[name] = np.full(n, np.nan)
        attributes[name][row] = value
    return True


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
def _check(texts, ints, floats, latest_time_us, suspects):
    """Marks the rows that break a rule, and returns how many are marked in all."""
    data, starts, lengths = texts
    marked = 0
    for i in range(len(ints)):
        bad = lengths[i, K_TRANSACTION] == 0 or lengths[i, K_ACCOUNT] == 0
        for column in range(lengths.shape[1]):
            bad |= lengths[i, column] > MAX_ID_BYTES
        category = lengths[i, K_CATEGORY]
        bad |= not (category == 0 or category == CATEGORY_DIGITS)  # noqa: PLR1714 - compiled, a set is slow
        if category == CATEGORY_DIGITS:
            for byte in range(CATEGORY_DIGITS):
                digit = data[starts[i, K_CATEGORY] + byte]
                bad |= digit < 48 or digit > 57
        time = ints[i, I_TIME]
        bad |= time < EARLIEST_S * 1_000_000 or time > latest_time_us
        bad |= ints[i, I_AMOUNT] == _BAD or ints[i, I_BALANCE] == _BAD
        bad |= ints[i, I_TYPE] < 0 or ints[i, I_TYPE] > LAST_TYPE
        bad |= ints[i, I_CHANNEL] < 0 or ints[i, I_CHANNEL] > LAST_CHANNEL
        bad |= ints[i, I_ACCOUNT_TYPE] < 0 or ints[i, I_ACCOUNT_TYPE] > LAST_ACCOUNT_TYPE
        age = ints[i, I_AGE]
        bad |= age != UNSET_INT and (age < 0 or age > MAX_AGE_DAYS)
        bad |= ints[i, I_COUNTRY] < 0 or ints[i, I_CURRENCY] == 0
        latitude, longitude = floats[i, F_LATITUDE], floats[i, F_LONGITUDE]
        bad |= np.isnan(latitude) != np.isnan(longitude)
        bad |= abs(latitude) > MAX_LATITUDE or abs(longitude) > MAX_LONGITUDE
        suspects[i] |= bad
        marked += suspects[i]
    return marked
