"""Requests to columns: the fast way, one compiled pass over the serialised bytes.

It takes frames in which every transaction is good and plainly written, as nearly all are. On anything else
- a broken rule, malformed bytes, a group, a wire type that the field does not have, text beyond ASCII - it
gives up, and `kuntur.wire.reader` reads the whole frame through protobuf, which decides. A property test
holds the two against each other.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native, native_owning
from kuntur.fields import transaction as of
from kuntur.identity import SCOPED, content_hash, hash_id, siphash
from kuntur.transaction import UNSET_INT
from kuntur.wire.addresses import is_plain_address
from kuntur.wire.codes import cents, country_number, currency_number
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
    I_CONTENT,
    I_COUNTED,
    I_COUNTRY,
    I_CURRENCY,
    I_TIME,
    I_TYPE,
    LAST_ACCOUNT_TYPE,
    LAST_CHANNEL,
    LAST_TYPE,
    MAX_AGE_DAYS,
    MAX_AMOUNT,
    MAX_BALANCE,
    MAX_LATITUDE,
    MAX_LONGITUDE,
    MIN_BALANCE,
    VERIFICATION,
)
from kuntur.wire.outline import FIELDS, GIVE_UP, Found, read_fields
from kuntur.wire.varint import (
    LENGTH,
    read_length,
    read_tag,
    skip_field,
    to_int32,
)

# Numbers of the fields.
_TRANSACTION_ID, _ACCOUNT_ID = of.TRANSACTION_ID.number, of.ACCOUNT_ID.number
_INSTITUTION_ID, _EVENT_TIME = of.INSTITUTION_ID.number, of.EVENT_TIME.number
_AMOUNT, _CURRENCY = of.AMOUNT_MINOR.number, of.CURRENCY_CODE.number
_TYPE, _CHANNEL, _ACCOUNT_TYPE = of.TYPE.number, of.CHANNEL.number, of.ACCOUNT_TYPE.number
_BALANCE, _AGE = of.ACCOUNT_BALANCE_MINOR.number, of.ACCOUNT_AGE_DAYS.number
_CATEGORY, _COUNTRY = of.MERCHANT_CATEGORY_CODE.number, of.MERCHANT_COUNTRY_CODE.number
_LATITUDE, _LONGITUDE = of.MERCHANT_LATITUDE.number, of.MERCHANT_LONGITUDE.number
_ADDRESS = of.IP_ADDRESS.number
_PLACED = 1 << _LATITUDE | 1 << _LONGITUDE

_KEY_FIELDS = np.array([field.number for field in of.KEYS.values()])

_MICROSECONDS, _NANOSECONDS = 1_000_000, 1_000_000_000


@native
def _time_us(numbers, given, latest_time_us):
    """Returns the event time, GIVE_UP for one that breaks a rule."""
    seconds, nanos = np.int64(numbers[_EVENT_TIME]), np.int64(numbers[0])
    if given >> _EVENT_TIME & 1 == 0 or nanos < 0 or nanos >= _NANOSECONDS:
        return GIVE_UP
    if seconds < EARLIEST_S or seconds > latest_time_us // _MICROSECONDS:
        return GIVE_UP
    time_us = seconds * _MICROSECONDS + nanos // 1_000
    return time_us if time_us <= latest_time_us else GIVE_UP


@native
def _texts_are_good(data, found):
    starts, lengths, _ = found
    if lengths[_TRANSACTION_ID] == 0 or lengths[_ACCOUNT_ID] == 0:
        return False
    category = lengths[_CATEGORY]
    if category != 0:
        if category != CATEGORY_DIGITS:
            return False
        for at in range(starts[_CATEGORY], starts[_CATEGORY] + CATEGORY_DIGITS):
            if data[at] < 48 or data[at] > 57:
                return False
    return lengths[_ADDRESS] == 0 or is_plain_address(data, starts[_ADDRESS], lengths[_ADDRESS])


@native
def _write_ints(data, found, given, latest_time_us, context, ints, i):
    """Writes a row of ints; False when a value breaks a rule."""
    starts, lengths, numbers = found
    time_us = _time_us(numbers, given, latest_time_us)
    kind, channel = to_int32(numbers[_TYPE]), to_int32(numbers[_CHANNEL])
    account_type, age = to_int32(numbers[_ACCOUNT_TYPE]), to_int32(numbers[_AGE])
    amount, balance = np.int64(numbers[_AMOUNT]), np.int64(numbers[_BALANCE])
    currency, scale = currency_number(context, data, starts[_CURRENCY], lengths[_CURRENCY])
    country = country_number(context, data, starts[_COUNTRY], lengths[_COUNTRY])
    good = time_us != GIVE_UP and currency >= 0 and country >= 0
    good &= 0 < amount <= MAX_AMOUNT or (amount == 0 and kind == VERIFICATION)
    good &= MIN_BALANCE <= balance <= MAX_BALANCE
    good &= 0 <= age <= MAX_AGE_DAYS
    good &= 0 <= kind <= LAST_TYPE and 0 <= channel <= LAST_CHANNEL
    good &= 0 <= account_type <= LAST_ACCOUNT_TYPE
    if not good:
        return False
    ints[i, I_TIME] = time_us
    ints[i, I_AMOUNT] = cents(amount, scale)
    ints[i, I_BALANCE] = cents(balance, scale) if given >> _BALANCE & 1 else UNSET_INT
    ints[i, I_TYPE] = kind
    ints[i, I_CHANNEL] = channel
    ints[i, I_ACCOUNT_TYPE] = account_type
    ints[i, I_AGE] = age if given >> _AGE & 1 else UNSET_INT
    ints[i, I_COUNTRY] = country
    ints[i, I_CURRENCY] = currency
    ints[i, I_COUNTED] = 1
    return True


@native
def _write_floats(numbers, given, floats, i):
    """Writes a row of floats; False when a value breaks a rule."""
    placed = given & _PLACED
    if placed == 0:
        floats[i, F_LATITUDE] = floats[i, F_LONGITUDE] = np.nan
        return True
    latitude = np.uint64(numbers[_LATITUDE]).view(np.float64)
    longitude = np.uint64(numbers[_LONGITUDE]).view(np.float64)
    floats[i, F_LATITUDE], floats[i, F_LONGITUDE] = latitude, longitude
    # False for NaN, too.
    return placed == _PLACED and abs(latitude) <= MAX_LATITUDE and abs(longitude) <= MAX_LONGITUDE


@native_owning
def scan(data, latest_time_us, context, keys, ints, floats, spans):
    """Reads a request of n transactions into its columns.

    data: bytes; latest_time_us: int; context: of `make_context`; written: keys uint64 [n, KeyColumn],
    ints int64 [n, IntColumn], floats float64 [n, FloatColumn], spans int64 [n, 2], start and length of
    each transaction id. Returns the number of attributes, or GIVE_UP, and then what is written means nothing.
    """
    starts = np.empty(FIELDS, dtype=np.int64)
    lengths = np.empty(FIELDS, dtype=np.int64)
    numbers = np.empty(FIELDS, dtype=np.uint64)
    found = Found(starts, lengths, numbers)
    at, i, attributes = 0, 0, 0
    while at < len(data):
        field, wire_type, at = read_tag(data, at, len(data))
        if at < 0:
            return GIVE_UP
        if field != 1:
            at = skip_field(data, at, len(data), wire_type)
            if at < 0:
                return GIVE_UP
            continue
        length, at = read_length(data, at, len(data))
        if at < 0 or wire_type != LENGTH or i >= len(ints):
            return GIVE_UP
        lengths[:] = 0
        numbers[:] = np.uint64(0)
        given, more = read_fields(data, at, at + length, found)
        if (
            given == GIVE_UP
            or not _texts_are_good(data, found)
            or not _write_ints(data, found, given, latest_time_us, context, ints, i)
            or not _write_floats(numbers, given, floats, i)
        ):
            return GIVE_UP
        scope = np.uint64(0)
        if lengths[_INSTITUTION_ID] > 0:
            scope = siphash(data, starts[_INSTITUTION_ID], lengths[_INSTITUTION_ID], context[0], context[1])
        for column in range(len(_KEY_FIELDS)):
            source = _KEY_FIELDS[column]
            mine = scope if SCOPED[column] else np.uint64(0)
            keys[i, column] = hash_id(
                data, starts[source], lengths[source], column, mine, context[0], context[1]
            )
        ints[i, I_CONTENT] = content_hash(data, at, length, context[0], context[1])
        spans[i, 0], spans[i, 1] = starts[_TRANSACTION_ID], lengths[_TRANSACTION_ID]
        attributes += more
        at += length
        i += 1
    return attributes if i == len(ints) else GIVE_UP
