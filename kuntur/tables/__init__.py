"""Transactions in files: described by a mapping, read by Polars, checked by the rules of the API.

For the trainer and the clients. The server never imports this package, so it needs no Polars.
"""

from __future__ import annotations

from kuntur.tables.columns import to_batch, to_keys, to_outcomes
from kuntur.tables.mapping import AmountFormat, Label, Mapping, MappingError, TimeFormat, shipped_mappings
from kuntur.tables.rejects import Finding, RejectReport, TooManyRejects
from kuntur.tables.rules import Reason
from kuntur.tables.scan import SourceError
from kuntur.tables.schema import attribute_columns, canonical_schema
from kuntur.tables.sources import read
from kuntur.tables.table import Table, content_hash

__all__ = [
    "AmountFormat",
    "Finding",
    "Label",
    "Mapping",
    "MappingError",
    "Reason",
    "RejectReport",
    "SourceError",
    "Table",
    "TimeFormat",
    "TooManyRejects",
    "attribute_columns",
    "canonical_schema",
    "content_hash",
    "read",
    "shipped_mappings",
    "to_batch",
    "to_keys",
    "to_outcomes",
]
