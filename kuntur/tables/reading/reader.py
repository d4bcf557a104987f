"""Reads the fields of a file, one at a time, as expressions over its columns.

Beside each value stands a fault for every way in which reading it can fail, so that a value that could
not be read is never taken for one that was not given.
"""

from __future__ import annotations

import polars as pl

from kuntur.fields.schema import FRAUD_KIND, TIME, TRANSACTION_COLUMNS
from kuntur.tables.formats import Label
from kuntur.tables.mapping import Mapping
from kuntur.tables.reading import moments, parse
from kuntur.transaction import ATTRIBUTE_PREFIX
from kuntur.validation.columns import Reason, Rule

_MICROSECONDS_A_DAY = 86_400_000_000


class Reader:
    """Reads fields of one file by a mapping, and collects what can go wrong.

    required: fields that a row must have; faults: what can go wrong, as rules over the file's columns;
    columns: field to source column, of those that were read.
    """

    def __init__(self, mapping: Mapping, schema: pl.Schema, required: tuple[str, ...]) -> None:
        self.mapping = mapping
        self.schema = schema
        self.required = required
        self.faults: list[Rule] = []
        self.columns: dict[str, str] = {}

    def source(self, field: str, column: str | None) -> tuple[pl.Expr, pl.DataType] | None:
        """Returns a source column and its type, or the field's constant, or None when not given."""
        if column is not None and column in self.schema:
            self.columns[field] = column
            dtype = self.schema[column]
            values = pl.col(column)
            if self.mapping.nan_is_unset:
                values = parse.without_nan(values, dtype)
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
        value = read(*source).fill_null("")
        translations = self.mapping.values.get(field)
        return value.str.strip_chars().replace(translations) if translations else value

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
            parsed = moments.time(*source, self.mapping.time)
        elif field.endswith("_minor") and amount.unit == "major":
            parsed = parse.minor_units(*source, currency, decimal_comma=amount.decimal_comma)
        elif dtype.is_integer():
            parsed = parse.integer(*source)
        else:
            parsed = parse.decimal(*source, decimal_comma=amount.decimal_comma)
        fits = parsed.cast(dtype, strict=False)
        self.fault(Reason.UNPARSEABLE, field, parse.unread(fits, *source))
        if field in self.required:
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
            return pl.lit(None, dtype=pl.Boolean), pl.lit(None, dtype=TIME)
        value = parse.text(*source).str.strip_chars()
        given = parse.given(*source)
        flag = self.source("labelled", label.labelled)
        if flag is not None:
            said = self._said_labelled(label, *flag)
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
        assumed = pl.lit(None, dtype=TIME)
        if label.delay_days is not None:
            assumed = event_time + pl.duration(microseconds=round(label.delay_days * _MICROSECONDS_A_DAY))
        reported = assumed
        times = self.source("reported_time", label.reported_time)
        if times is not None:
            written = self.mapping.time
            if label.reported_format is not None:
                written = written.model_copy(update={"format": label.reported_format})
            parsed = moments.time(*times, written, day_ends=True)
            self.fault(Reason.UNPARSEABLE, "reported_time", given & parse.unread(parsed, *times))
            reported = pl.when(parse.given(*times)).then(parsed).otherwise(assumed)
        return is_fraud, pl.when(is_fraud.is_not_null()).then(reported)

    def kind(self, column: str, is_fraud: pl.Expr) -> pl.Expr:
        """Reads the kind of fraud: "" where it is not given and on rows that are none, whatever they say."""
        source = self.source(FRAUD_KIND, column)
        if source is None:
            return pl.lit("")
        return pl.when(is_fraud).then(parse.text(*source).str.strip_chars()).fill_null("")

    def _said_labelled(self, label: Label, flag: pl.Expr, dtype: pl.DataType) -> pl.Expr:
        value = parse.text(flag, dtype).str.strip_chars()
        known = value.is_in([*label.labelled_values, *label.unlabelled_values])
        self.fault(Reason.UNKNOWN_VALUE, "labelled", parse.given(flag, dtype) & ~known)
        return value.is_in(list(label.labelled_values)).fill_null(value=False)
