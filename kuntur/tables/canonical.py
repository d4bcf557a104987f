"""From a mapping and a file's column types to the canonical columns, as one list of expressions.

Beside each value stands a fault column for every way in which reading it can fail, so that a value
that could not be read is never taken for one that was not given.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from kuntur.tables import parse
from kuntur.tables.mapping import Label, Mapping
from kuntur.tables.rules import Reason, Rule
from kuntur.tables.schema import ENUMS, TEXT_FIELDS, TRANSACTION_COLUMNS
from kuntur.transaction import ATTRIBUTE_PREFIX, TransactionType

_MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Canonical:
    """Expressions over a file's columns.

    values: the canonical columns but source_row, in order; adjusted: those that are
    then replaced by expressions over the canonical columns; faults: what can go wrong in reading
    them, as rules over the file's columns; columns: canonical column to source column.
    """

    values: list[pl.Expr]
    adjusted: list[pl.Expr]
    faults: list[Rule]
    columns: dict[str, str]


class _Reader:
    """Reads fields of one file by a mapping, and collects what can go wrong."""

    def __init__(self, mapping: Mapping, schema: pl.Schema) -> None:
        self.mapping = mapping
        self.schema = schema
        self.faults: list[Rule] = []
        self.columns: dict[str, str] = {}

    def source(self, field: str, column: str | None) -> tuple[pl.Expr, pl.DataType] | None:
        """Gives a source column and its type, or the field's constant, or None when not given."""
        if column is not None and column in self.schema:
            self.columns[field] = column
            dtype = self.schema[column]
            values = pl.col(column)
            if dtype.is_float() and self.mapping.nan_is_unset:
                values = values.fill_nan(None)
            return values, dtype
        constant = self.mapping.constants.get(field)
        if constant is None:
            return None
        kind: pl.DataType = {str: pl.String(), int: pl.Int64(), float: pl.Float64()}[type(constant)]
        return pl.lit(constant, dtype=kind), kind

    def fault(self, reason: Reason, field: str, where: pl.Expr) -> None:
        self.faults.append(Rule(reason, field, where))

    def text(self, field: str) -> pl.Expr:
        source = self.source(field, self.mapping.columns.get(field))
        if source is None:
            return pl.lit("")
        read = parse.category_code if field == "merchant_category_code" else parse.text
        return read(*source).fill_null("")

    def enum(self, field: str) -> pl.Expr:
        source = self.source(field, self.mapping.columns.get(field))
        if source is None:
            return pl.lit(0, dtype=pl.Int8)
        number = parse.enum_number(*source, field, self.mapping.values.get(field, {}))
        self.fault(Reason.UNKNOWN_VALUE, field, parse.unread(number, *source))
        return number.fill_null(0)

    def value(self, field: str, currency: pl.Expr) -> pl.Expr:
        """Reads event time, money, age, latitude or longitude: null when not given."""
        dtype = TRANSACTION_COLUMNS[field]
        source = self.source(field, self.mapping.columns.get(field))
        if source is None:
            return pl.lit(None, dtype=dtype)
        amount = self.mapping.amount
        if field == "event_time":
            parsed = parse.time(*source, self.mapping.time)
        elif field.endswith("_minor") and amount.unit == "major":
            parsed = parse.minor_units(*source, currency, decimal_comma=amount.decimal_comma)
        elif dtype.is_integer():
            parsed = parse.integer(*source)
        else:
            parsed = parse.decimal(*source, decimal_comma=amount.decimal_comma)
        fits = parsed.cast(dtype, strict=False)
        self.fault(Reason.UNPARSEABLE, field, parse.unread(fits, *source))
        if field in {"event_time", "amount_minor"}:
            self.fault(Reason.MISSING, field, ~parse.given(*source))
        return fits

    def attribute(self, name: str, column: str | None) -> pl.Expr:
        field = ATTRIBUTE_PREFIX + name
        source = self.source(field, column)
        if source is None:
            return pl.lit(None, dtype=pl.Float64)
        parsed = parse.decimal(*source, decimal_comma=self.mapping.amount.decimal_comma)
        self.fault(Reason.UNPARSEABLE, field, parse.unread(parsed, *source))
        return parsed

    def label(self, label: Label, event_time: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
        """Reads is_fraud and reported_time."""
        source = self.source("is_fraud", label.column)
        if source is None:
            return pl.lit(None, dtype=pl.Boolean), pl.lit(None, dtype=TRANSACTION_COLUMNS["event_time"])
        value = parse.text(*source).str.strip_chars()
        given = parse.given(*source)
        flag = self.source("labelled", label.labelled)
        if flag is not None:
            said = (
                parse.text(*flag).str.strip_chars().is_in(list(label.labelled_values)).fill_null(value=False)
            )
            self.fault(Reason.MISSING, "is_fraud", said & ~given)
            given = given & said
        legitimate = value.is_in(list(label.legitimate)) if label.legitimate else pl.lit(value=True)
        is_fraud = (
            pl.when(given & value.is_in(list(label.fraud)))
            .then(pl.lit(value=True))
            .when(given & legitimate)
            .then(pl.lit(value=False))
        )
        self.fault(Reason.UNKNOWN_VALUE, "is_fraud", given & is_fraud.is_null())
        assumed = pl.lit(None, dtype=TRANSACTION_COLUMNS["event_time"])
        if label.delay_days is not None:
            assumed = event_time + pl.duration(microseconds=round(label.delay_days * _MICROSECONDS_A_DAY))
        reported = assumed
        times = self.source("reported_time", label.reported_time)
        if times is not None:
            parsed = parse.time(*times, self.mapping.time)
            self.fault(Reason.UNPARSEABLE, "reported_time", given & parse.unread(parsed, *times))
            reported = pl.when(parse.given(*times)).then(parsed).otherwise(assumed)
        return is_fraud, pl.when(is_fraud.is_not_null()).then(reported)


def canonical(mapping: Mapping, schema: pl.Schema, attributes: dict[str, str]) -> Canonical:
    """Gives the expressions that bring a file of this schema to the canonical columns.

    attributes: name to source column, in the order of the canonical table; a column that this file
    lacks gives null.
    """
    reader = _Reader(mapping, schema)
    fields: dict[str, pl.Expr] = {}
    currency = reader.text("currency_code")
    for name in TRANSACTION_COLUMNS:
        if name in TEXT_FIELDS:
            fields[name] = reader.text(name)
        elif name in ENUMS:
            fields[name] = reader.enum(name)
        else:
            fields[name] = reader.value(name, currency)
    for name, column in attributes.items():
        fields[ATTRIBUTE_PREFIX + name] = reader.attribute(name, column)
    time = TRANSACTION_COLUMNS["event_time"]
    fields["is_fraud"], fields["reported_time"] = pl.lit(None, dtype=pl.Boolean), pl.lit(None, dtype=time)
    if mapping.label is not None:
        fields["is_fraud"], fields["reported_time"] = reader.label(mapping.label, fields["event_time"])
    adjusted = []
    if mapping.amount.zero_is_verification:
        verification = pl.lit(TransactionType.VERIFICATION.value, dtype=pl.Int8)
        adjusted = [
            pl.when(pl.col("amount_minor") == 0).then(verification).otherwise(pl.col("type")).alias("type")
        ]
    return Canonical(
        [expression.alias(name) for name, expression in fields.items()],
        adjusted,
        reader.faults,
        reader.columns,
    )
