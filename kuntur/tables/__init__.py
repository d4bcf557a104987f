"""Transactions and outcomes in files: described by a mapping, read by Polars, checked by the API's rules.

For the trainer and the clients. The server never imports this package, so it needs no Polars.
"""

from __future__ import annotations

from kuntur.tables.columns import to_batch, to_keys, to_outcomes
from kuntur.tables.formats import AmountFormat, Label, TimeFormat
from kuntur.tables.mapping import Mapping, MappingError, shipped_mappings
from kuntur.tables.outcomes import OutcomeTable, read_outcomes
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
    "OutcomeTable",
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
    "read_outcomes",
    "shipped_mappings",
    "to_batch",
    "to_keys",
    "to_outcomes",
]
