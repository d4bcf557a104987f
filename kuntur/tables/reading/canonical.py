"""From a mapping and a file's column types to the canonical columns, as one list of expressions."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from kuntur.fields.schema import (
    ENUMS,
    FRAUD_KIND,
    OUTCOME_REQUIRED_FIELDS,
    REQUIRED_FIELDS,
    TEXT_FIELDS,
    TIME,
    TRANSACTION_COLUMNS,
)
from kuntur.tables.mapping import Mapping
from kuntur.tables.reading.reader import Reader
from kuntur.transaction import ATTRIBUTE_PREFIX, TransactionType
from kuntur.validation.columns import Rule

LABELLED = "!labelled"  # Boolean beside the columns of outcomes; no column of a file keeps its name here


@dataclass(frozen=True, slots=True)
class Canonical:
    """Expressions over a file's columns.

    values: the canonical columns but source_row, in order; adjusted: those that are then replaced by
    expressions over the canonical columns; faults: what can go wrong in reading them, as rules over the
    file's columns; columns: canonical column to source column.
    """

    values: list[pl.Expr]
    adjusted: list[pl.Expr]
    faults: list[Rule]
    columns: dict[str, str]


def canonical(mapping: Mapping, schema: pl.Schema, attributes: dict[str, str]) -> Canonical:
    """Returns the expressions that bring a file of this schema to the canonical columns.

    attributes: name to source column, in the order of the canonical table; where this file lacks the
    column, the attribute is null.
    """
    reader = Reader(mapping, schema, REQUIRED_FIELDS)
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
    fields["is_fraud"], fields["reported_time"] = pl.lit(None, dtype=pl.Boolean), pl.lit(None, dtype=TIME)
    if mapping.label is not None:
        fields["is_fraud"], fields["reported_time"] = reader.label(mapping.label, fields["event_time"])
        if mapping.label.kind is not None:
            fields[FRAUD_KIND] = reader.kind(mapping.label.kind, fields["is_fraud"])
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


def canonical_outcomes(mapping: Mapping, schema: pl.Schema) -> Canonical:
    """Returns the expressions that bring a file of this schema to outcomes, for a mapping with a label.

    Beside the columns of outcomes stand event_time, null where the file has none, and LABELLED: false
    where a row says that nothing is known.
    """
    reader = Reader(mapping, schema, OUTCOME_REQUIRED_FIELDS)
    fields = {name: reader.text(name) for name in ("transaction_id", "institution_id")}
    no_currency = pl.lit("")
    fields["event_time"] = reader.value("event_time", no_currency)
    if mapping.label is not None:
        fields["is_fraud"], fields["reported_time"] = reader.label(mapping.label, fields["event_time"])
    unclear = [rule.broken for rule in reader.faults if rule.field in {"is_fraud", "labelled"}]
    fields[LABELLED] = pl.any_horizontal(fields["is_fraud"].is_not_null(), *unclear)
    values = [expression.alias(name) for name, expression in fields.items()]
    return Canonical(values, [], reader.faults, reader.columns)
