"""The rules that a row must keep: those of the API, as `transaction.proto` documents them, in Polars.

Two things differ from the API because a file is not a request: there is no clock to compare event
times with, and a label is checked beside its transaction.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from kuntur.currency import COUNTRY_NUMBER, CURRENCY_NUMBER
from kuntur.fields.schema import ENUMS, REQUIRED_FIELDS, TEXT_FIELDS
from kuntur.transaction import (
    ATTRIBUTE_PREFIX,
    MAX_ACCOUNT_AGE_DAYS,
    MAX_AMOUNT_MINOR,
    MAX_BALANCE_MINOR,
    MAX_ID_BYTES,
    MIN_EVENT_TIME_S,
    TransactionType,
)

MAX_IP_BYTES = 45
MAX_EVENT_TIME_S = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that datetimes and protobuf can hold
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"^(?:{_OCTET}\.){{3}}{_OCTET}$"


class Reason(StrEnum):
    """Why a row was rejected."""

    RAGGED = "ragged"
    """A row of a CSV file with more or fewer values than the header: none of them can be trusted."""
    MISSING = "missing"
    """A required field is not given."""
    UNPARSEABLE = "unparseable"
    """The text cannot be read as what the field holds."""
    TOO_LONG = "too_long"
    """More bytes than the field may have."""
    OUT_OF_RANGE = "out_of_range"
    """A number or time outside its range."""
    UNKNOWN_VALUE = "unknown_value"
    """A code, a label, or a word on whether a row is labelled, that is in no list."""
    BAD_FORMAT = "bad_format"
    """Text of the wrong form: address, category code."""
    NOT_FINITE = "not_finite"
    """NaN or infinity where a number is meant."""
    INCOMPLETE_PAIR = "incomplete_pair"
    """Latitude without longitude or the reverse."""
    DUPLICATE = "duplicate"
    """An earlier valid row of the source has the same institution and transaction id."""
    REPORTED_BEFORE_EVENT = "reported_before_event"
    """The label became known before the transaction was made."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to break the rules: `broken` is a Boolean expression over canonical columns, null as false."""

    reason: Reason
    field: str
    broken: pl.Expr


def row_rules(
    attributes: Sequence[str] = (), *, labels: bool = True, country_codes: Sequence[str] = ()
) -> list[Rule]:
    """Returns the rules that one row can break by itself.

    attributes: names without prefix. labels: whether the frame has is_fraud and reported_time; country_codes:
    user-assigned ones that are valid.
    """
    rules = [*_text_rules(country_codes), *_number_rules(), *_place_rules()]
    for name in attributes:
        column = ATTRIBUTE_PREFIX + name
        rules.append(Rule(Reason.NOT_FINITE, column, ~pl.col(column).is_finite()))
    return [*rules, *_label_rules()] if labels else rules


def outcome_rules() -> list[Rule]:
    """Returns the rules that one outcome can break by itself; its event time is null when not given."""
    return [*_given_and_short(("transaction_id", "institution_id")), *_time_rules(), *_label_rules()]


def _label_rules() -> Iterator[Rule]:
    reported, event = pl.col("reported_time"), pl.col("event_time")
    unreported = pl.col("is_fraud").is_not_null() & reported.is_null()
    yield Rule(Reason.MISSING, "reported_time", unreported)
    yield Rule(Reason.REPORTED_BEFORE_EVENT, "reported_time", reported < event)


def _given_and_short(names: Sequence[str]) -> Iterator[Rule]:
    for name in names:
        text = pl.col(name)
        if name in REQUIRED_FIELDS:
            yield Rule(Reason.MISSING, name, text == "")
        if name.endswith("_id"):
            yield Rule(Reason.TOO_LONG, name, text.str.len_bytes() > MAX_ID_BYTES)


def _text_rules(country_codes: Sequence[str]) -> Iterator[Rule]:
    yield from _given_and_short(TEXT_FIELDS)
    currency, country = pl.col("currency_code"), pl.col("merchant_country_code")
    yield Rule(
        Reason.UNKNOWN_VALUE, "currency_code", ~currency.is_in(list(CURRENCY_NUMBER)) & (currency != "")
    )
    yield Rule(
        Reason.UNKNOWN_VALUE, "merchant_country_code", ~country.is_in([*COUNTRY_NUMBER, *country_codes])
    )
    category = pl.col("merchant_category_code")
    yield Rule(
        Reason.BAD_FORMAT,
        "merchant_category_code",
        (category != "") & ~category.str.contains(r"^[0-9]{4}$"),
    )
    address = pl.col("ip_address")
    yield Rule(Reason.TOO_LONG, "ip_address", address.str.len_bytes() > MAX_IP_BYTES)
    yield Rule(
        Reason.BAD_FORMAT, "ip_address", address.map_batches(_bad_addresses, return_dtype=pl.Boolean())
    )


def _number_rules() -> Iterator[Rule]:
    amount, verification = pl.col("amount_minor"), pl.col("type") == TransactionType.VERIFICATION.value
    yield Rule(
        Reason.OUT_OF_RANGE,
        "amount_minor",
        (amount < 0) | ((amount == 0) & ~verification.fill_null(value=False)) | (amount > MAX_AMOUNT_MINOR),
    )
    yield _range("account_balance_minor", -MAX_BALANCE_MINOR, MAX_BALANCE_MINOR)
    yield _range("account_age_days", 0, MAX_ACCOUNT_AGE_DAYS)
    for name, enum in ENUMS.items():
        value = pl.col(name)
        yield Rule(Reason.UNKNOWN_VALUE, name, ~value.is_between(0, len(enum) - 1))
    yield from _time_rules()


def _time_rules() -> Iterator[Rule]:
    seconds = pl.col("event_time").dt.timestamp("us").floordiv(1_000_000)
    yield Rule(Reason.OUT_OF_RANGE, "event_time", ~seconds.is_between(MIN_EVENT_TIME_S, MAX_EVENT_TIME_S))


def _place_rules() -> Iterator[Rule]:
    latitude, longitude = pl.col("merchant_latitude"), pl.col("merchant_longitude")
    yield Rule(
        Reason.OUT_OF_RANGE, "merchant_latitude", latitude.is_nan() | ~latitude.is_between(-90.0, 90.0)
    )
    yield Rule(
        Reason.OUT_OF_RANGE, "merchant_longitude", longitude.is_nan() | ~longitude.is_between(-180.0, 180.0)
    )
    yield Rule(Reason.INCOMPLETE_PAIR, "merchant_latitude", latitude.is_null() & longitude.is_not_null())
    yield Rule(Reason.INCOMPLETE_PAIR, "merchant_longitude", longitude.is_null() & latitude.is_not_null())


def _range(name: str, low: int, high: int) -> Rule:
    return Rule(Reason.OUT_OF_RANGE, name, ~pl.col(name).is_between(low, high))


def _bad_addresses(addresses: pl.Series) -> pl.Series:
    # The pattern passes ordinary IPv4 in compiled code. Only what is left, each text once, goes to
    # ipaddress, which decides: a pattern of our own for IPv6 would be one more definition of it.
    plain = (addresses == "") | addresses.str.contains(_IPV4)
    unsure = addresses.filter(~plain).unique()
    bad = unsure.filter(pl.Series([not _is_address(text) for text in unsure], dtype=pl.Boolean))
    return addresses.is_in(bad.implode()) if len(bad) else pl.repeat(False, len(addresses), eager=True)


@functools.lru_cache(maxsize=65_536)
def _is_address(text: str) -> bool:
    if "%" in text:  # a zone names an interface of one machine: no address of a customer
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def duplicates(frame: pl.DataFrame, valid: pl.Series) -> pl.Series:
    """Says of each row whether an earlier valid row has its institution and transaction id.

    frame: institution_id, transaction_id, in source order; valid: Boolean, whether the row keeps
    every other rule (a rejected row does not use up its id, as in the API). Returns Boolean [n].
    """
    ids = frame.select("institution_id", "transaction_id")
    # Ids alone are checked first: they nearly always are unique, and that is several times cheaper.
    if ids["transaction_id"].n_unique() == ids.height:
        return pl.repeat(False, ids.height, eager=True)
    marked = ids.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64), valid=valid)
    first = pl.col("row").filter(pl.col("valid")).min().over("institution_id", "transaction_id")
    return marked.select(
        ((pl.col("row") > first) & (pl.col("transaction_id") != "")).fill_null(value=False)
    ).to_series()
