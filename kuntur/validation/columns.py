"""The rules that a row must keep: those of the API, with the limits of `kuntur.fields`, in Polars.

Two things differ from the API because a file is not a request: there is no clock to compare event
times with, and a label is checked beside its transaction.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from kuntur.currency import COUNTRY_NUMBER, CURRENCY_NUMBER
from kuntur.fields import outcome, transaction
from kuntur.fields.kinds import Amount, Moment, Real, Text, Whole
from kuntur.fields.schema import FRAUD_KIND, IS_FRAUD
from kuntur.transaction import ATTRIBUTE_PREFIX
from kuntur.validation.addresses import is_ip_address

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
    """A code, a label or a flag for labelled rows that is in no list."""
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
    attributes: Sequence[str] = (),
    *,
    labels: bool = True,
    country_codes: Sequence[str] = (),
    kinds: bool = False,
) -> list[Rule]:
    """Returns the rules that one row can break by itself.

    attributes: names without prefix. labels: whether the frame has is_fraud and reported_time; country_codes:
    user-assigned ones that are valid; kinds: whether it has fraud_kind.
    """
    rules = [*_text_rules(country_codes), *_number_rules(), *_place_rules()]
    for name in attributes:
        column = ATTRIBUTE_PREFIX + name
        rules.append(Rule(Reason.NOT_FINITE, column, ~pl.col(column).is_finite()))
    if kinds:
        too_long = pl.col(FRAUD_KIND).str.len_bytes() > transaction.MAX_ID_BYTES
        rules.append(Rule(Reason.TOO_LONG, FRAUD_KIND, too_long))
    return [*rules, *_label_rules()] if labels else rules


def outcome_rules() -> list[Rule]:
    """Returns the rules that one outcome can break by itself; its event time is null when not given."""
    ids = (outcome.TRANSACTION_ID, outcome.INSTITUTION_ID)
    return [*_given_and_short(ids), *_time_rules(transaction.EVENT_TIME), *_label_rules()]


def _label_rules() -> Iterator[Rule]:
    name = outcome.REPORTED_TIME.name
    reported, event = pl.col(name), pl.col(transaction.EVENT_TIME.name)
    unreported = pl.col(IS_FRAUD).is_not_null() & reported.is_null()
    yield Rule(Reason.MISSING, name, unreported)
    yield Rule(Reason.REPORTED_BEFORE_EVENT, name, reported < event)


def _given_and_short(fields: Sequence[Text]) -> Iterator[Rule]:
    for field in fields:
        text = pl.col(field.name)
        if field.required:
            yield Rule(Reason.MISSING, field.name, text == "")
        if field.max_bytes:
            yield Rule(Reason.TOO_LONG, field.name, text.str.len_bytes() > field.max_bytes)


def _text_rules(country_codes: Sequence[str]) -> Iterator[Rule]:
    yield from _given_and_short(transaction.TEXTS)
    name = transaction.CURRENCY_CODE.name
    currency = pl.col(name)
    yield Rule(Reason.UNKNOWN_VALUE, name, ~currency.is_in(list(CURRENCY_NUMBER)) & (currency != ""))
    name = transaction.MERCHANT_COUNTRY_CODE.name
    yield Rule(Reason.UNKNOWN_VALUE, name, ~pl.col(name).is_in([*COUNTRY_NUMBER, *country_codes]))
    name = transaction.MERCHANT_CATEGORY_CODE.name
    category = pl.col(name)
    formed = category.str.contains(f"^{transaction.MERCHANT_CATEGORY_CODE.pattern}$")
    yield Rule(Reason.BAD_FORMAT, name, (category != "") & ~formed)
    name = transaction.IP_ADDRESS.name
    bad = pl.col(name).map_batches(_bad_addresses, return_dtype=pl.Boolean())
    yield Rule(Reason.BAD_FORMAT, name, bad)


def _number_rules() -> Iterator[Rule]:
    yield from _range_rules(transaction.AMOUNT_MINOR)
    yield from _range_rules(transaction.ACCOUNT_BALANCE_MINOR)
    yield from _range_rules(transaction.ACCOUNT_AGE_DAYS)
    for field in transaction.CHOICES:
        value = pl.col(field.name)
        yield Rule(Reason.UNKNOWN_VALUE, field.name, ~value.is_between(0, field.last))
    yield from _time_rules(transaction.EVENT_TIME)


def _range_rules(field: Whole) -> Iterator[Rule]:
    value = pl.col(field.name)
    broken = ~value.is_between(field.low, field.high)
    if isinstance(field, Amount):
        allowed = pl.col(transaction.TYPE.name) == field.zero_only_for.value
        broken |= (value == 0) & ~allowed.fill_null(value=False)
    yield Rule(Reason.OUT_OF_RANGE, field.name, broken)


def _time_rules(field: Moment) -> Iterator[Rule]:
    seconds = pl.col(field.name).dt.timestamp("us").floordiv(1_000_000)
    yield Rule(Reason.OUT_OF_RANGE, field.name, ~seconds.is_between(field.earliest_s, field.latest_s))


def _place_rules() -> Iterator[Rule]:
    both: tuple[Real, ...] = (transaction.MERCHANT_LATITUDE, transaction.MERCHANT_LONGITUDE)
    for field in both:
        degrees = pl.col(field.name)
        broken = degrees.is_nan() | ~degrees.is_between(field.low, field.high)
        yield Rule(Reason.OUT_OF_RANGE, field.name, broken)
    for field in both:
        alone = pl.col(field.name).is_null() & pl.col(field.together_with).is_not_null()
        yield Rule(Reason.INCOMPLETE_PAIR, field.name, alone)


def _bad_addresses(addresses: pl.Series) -> pl.Series:
    # The pattern passes ordinary IPv4 in compiled code. Only what is left, each text once, goes to
    # the standard library, which decides: a pattern of our own for IPv6 would be one more definition of it.
    plain = (addresses == "") | addresses.str.contains(_IPV4)
    unsure = addresses.filter(~plain).unique()
    bad = unsure.filter(pl.Series([not _is_address(text) for text in unsure], dtype=pl.Boolean))
    return addresses.is_in(bad.implode()) if len(bad) else pl.repeat(False, len(addresses), eager=True)


_is_address = functools.lru_cache(maxsize=65_536)(is_ip_address)


def duplicates(frame: pl.DataFrame, valid: pl.Series) -> pl.Series:
    """Returns, for each row, whether an earlier valid row has its institution and transaction id.

    frame: institution_id, transaction_id, in source order; valid: Boolean, whether the row keeps
    every other rule (a rejected row does not use up its id, as in the API). Boolean [n].
    """
    ids = frame.select("institution_id", "transaction_id")
    # Transaction ids alone are checked first: they are nearly always unique, and it is several times cheaper.
    if ids["transaction_id"].n_unique() == ids.height:
        return pl.repeat(False, ids.height, eager=True)
    marked = ids.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64), valid=valid)
    first = pl.col("row").filter(pl.col("valid")).min().over("institution_id", "transaction_id")
    return marked.select(
        ((pl.col("row") > first) & (pl.col("transaction_id") != "")).fill_null(value=False)
    ).to_series()
