"""The contract of the canonical table: what holds of each of its rows, declared as a schema."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import dataframely as dy
import polars as pl

from kuntur.fields.kinds import Real, short
from kuntur.fields.schema import ENUMS
from kuntur.fields.transaction import (
    ACCOUNT_AGE_DAYS,
    ACCOUNT_BALANCE_MINOR,
    AMOUNT_MINOR,
    EVENT_TIME,
    MERCHANT_CATEGORY_CODE,
    MERCHANT_LATITUDE,
    MERCHANT_LONGITUDE,
)
from kuntur.transaction import ATTRIBUTE_PREFIX

UNIQUE, EARLY, LATE = "transaction_once", "event_time_from_1990", "event_time_before_until"
SORTED, LABELLED, REPORTED = "by_event_time", "label_with_report", "reported_after_event"
MEANINGS = {
    UNIQUE: "an institution gives each transaction id once",
    EARLY: "event times are from 1990 on",
    LATE: "event times are before the moment at which the trainer stands",
    SORTED: "rows come by event time",
    LABELLED: "a label has the time at which it became known, and only a label",
    REPORTED: "a label became known no earlier than its transaction",
}


def _code(field: str) -> dy.Int8:
    return dy.Int8(min=0, max=len(ENUMS[field]) - 1, description=f"a number of {ENUMS[field].__name__}")


def _degrees(field: Real) -> dy.Float64:
    return dy.Float64(
        nullable=True,
        min=field.low,
        max=field.high,
        description=f"is degrees from {field.low:g} to {field.high:g}",
    )


class TransactionContract(dy.Schema):
    """A row of the canonical table as `kuntur.tables` documents it."""

    transaction_id = dy.String(min_length=1, description="is given")
    institution_id = dy.String(description="is text, empty when not given")
    event_time = dy.Datetime(time_unit="us", time_zone="UTC", description="is a moment in UTC")
    account_id = dy.String(min_length=1, description="is given")
    amount_minor = dy.Int64(
        min=AMOUNT_MINOR.low,
        max=AMOUNT_MINOR.high,
        description=f"is money of {AMOUNT_MINOR.low} to {short(AMOUNT_MINOR.high)} minor units",
    )
    currency_code = dy.String(regex=r"^[A-Z]{3}$", description="has the form of an ISO 4217 code")
    type = _code("type")
    channel = _code("channel")
    account_type = _code("account_type")
    account_balance_minor = dy.Int64(
        nullable=True,
        min=ACCOUNT_BALANCE_MINOR.low,
        max=ACCOUNT_BALANCE_MINOR.high,
        description=f"is money of at most {short(ACCOUNT_BALANCE_MINOR.high)} minor units",
    )
    account_age_days = dy.Int32(
        nullable=True,
        min=ACCOUNT_AGE_DAYS.low,
        max=ACCOUNT_AGE_DAYS.high,
        description=f"is a number of days from {ACCOUNT_AGE_DAYS.range_words}",
    )
    counterparty_account_id = dy.String(description="is text, empty when not given")
    merchant_id = dy.String(description="is text, empty when not given")
    merchant_category_code = dy.String(
        regex=f"^({MERCHANT_CATEGORY_CODE.pattern})?$", description="is four digits or empty"
    )
    merchant_country_code = dy.String(
        regex=r"^([A-Z]{2})?$", description="has the form of an ISO 3166-1 code or is empty"
    )
    merchant_latitude = _degrees(MERCHANT_LATITUDE)
    merchant_longitude = _degrees(MERCHANT_LONGITUDE)
    device_id = dy.String(description="is text, empty when not given")
    ip_address = dy.String(description="is text, empty when not given")
    is_fraud = dy.Bool(nullable=True, description="is a label or unset")
    reported_time = dy.Datetime(
        nullable=True, time_unit="us", time_zone="UTC", description="is a moment in UTC or unset"
    )
    source_row = dy.Int64(min=0, description="is the number of the row in its source")

    @dy.rule()
    def transaction_once(cls) -> pl.Expr:
        return pl.struct("institution_id", "transaction_id").is_unique()

    @dy.rule()
    def event_time_from_1990(cls) -> pl.Expr:
        return pl.col("event_time").dt.timestamp("us") >= EVENT_TIME.earliest_s * 1_000_000

    @dy.rule()
    def by_event_time(cls) -> pl.Expr:
        return pl.col("event_time") >= pl.col("event_time").shift(1)

    @dy.rule()
    def label_with_report(cls) -> pl.Expr:
        return pl.col("is_fraud").is_null() == pl.col("reported_time").is_null()

    @dy.rule()
    def reported_after_event(cls) -> pl.Expr:
        return pl.col("reported_time") >= pl.col("event_time")


def contract(attributes: Sequence[str], until: datetime | None) -> type[dy.Schema]:
    """Returns the contract of a table with these attributes (names without prefix) up to a moment."""

    def before_until(cls: type[dy.Schema]) -> pl.Expr:  # noqa: ARG001  dataframely passes the schema
        return pl.col("event_time") < until

    finite = {
        ATTRIBUTE_PREFIX + name: dy.Float64(nullable=True, description="is a finite number or unset")
        for name in attributes
    }
    bound = {} if until is None else {LATE: dy.rule()(before_until)}
    return type("TransactionContract", (TransactionContract,), {**finite, **bound})
