"""Transactions and outcomes in files or frames: described by a mapping, read by Polars, checked by the rules.

For the trainer and the clients. The server never imports this package, so it needs no Polars.
"""

from __future__ import annotations

from kuntur.fields.schema import attribute_columns, canonical_schema
from kuntur.files.paths import shipped_mappings
from kuntur.tables.columns import to_batch, to_keys, to_outcomes
from kuntur.tables.formats import AmountFormat, Label, TimeFormat
from kuntur.tables.mapping import Mapping, MappingError
from kuntur.tables.outcomes import OutcomeTable, read_outcomes
from kuntur.tables.reading.scan import SourceError, needed_columns, prefixed_attributes, require_columns
from kuntur.tables.rejects import Finding, RejectReport, TooManyRejects
from kuntur.tables.sources import read, read_frame
from kuntur.tables.table import Table, content_hash
from kuntur.validation.columns import Reason

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
    "needed_columns",
    "prefixed_attributes",
    "read",
    "read_frame",
    "read_outcomes",
    "require_columns",
    "shipped_mappings",
    "to_batch",
    "to_keys",
    "to_outcomes",
]
