"""A table of transactions as it was read, and the hash that names its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from kuntur.fields.schema import FRAUD_KIND, SOURCE_ROW, attribute_columns
from kuntur.tables.rejects import RejectReport
from kuntur.transaction import ATTRIBUTE_PREFIX

_HASH_ROWS = 262_144  # rows hashed at a time: bounds the copies that hashing needs


@dataclass(frozen=True)
class Table:
    """Transactions in canonical columns, by event time, rows of one moment in the order of the source.

    outcomes: all outcomes of them by reported time, as in `OutcomeTable`, where the source tells of more
    than the last one of each; served_by_source_row: whether a server had the transactions in the order of
    source_row, late ones among them, and not in that of the table.
    """

    frame: pl.DataFrame
    rejects: RejectReport
    outcomes: pl.DataFrame | None = None
    served_by_source_row: bool = False

    def __len__(self) -> int:
        return self.frame.height

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes, without prefix."""
        return tuple(name.removeprefix(ATTRIBUTE_PREFIX) for name in attribute_columns(self.frame))

    @property
    def kinds(self) -> pl.Series | None:
        """What kind of fraud each row was, "" where none or not known; None where no source says it."""
        return self.frame[FRAUD_KIND] if FRAUD_KIND in self.frame.columns else None

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the canonical content in hexadecimal; see `content_hash`."""
        if self.outcomes is None:
            return content_hash(self.frame)
        parts = content_hash(self.frame) + content_hash(self.outcomes)
        return hashlib.sha256(parts.encode()).hexdigest()


def content_hash(frame: pl.DataFrame) -> str:
    """Returns the SHA-256, in hexadecimal, of a canonical table's names, values and nulls, in row order.

    Own layout over the columns' raw values, because what Polars hashes or writes may change with its
    version. The place of a row in its file is left out: the same transactions give the same hash.
    """
    digest = hashlib.sha256()
    columns = [name for name in frame.columns if name != SOURCE_ROW]
    digest.update(repr([(name, str(frame.schema[name])) for name in columns]).encode())
    digest.update(frame.height.to_bytes(8, "little"))
    for start in range(0, frame.height, _HASH_ROWS):
        part = frame.slice(start, _HASH_ROWS)
        for name in columns:
            values = part[name]
            if values.null_count():
                digest.update(values.is_null().to_numpy().tobytes())
            digest.update(values.null_count().to_bytes(8, "little"))
            if values.dtype == pl.String:
                digest.update(values.str.len_bytes().fill_null(0).to_numpy().tobytes())
                digest.update(values.str.join("").item().encode())
            else:
                physical = values.to_physical()
                empty = 0.0 if physical.dtype.is_float() else 0
                blank = physical.fill_null(value=False if physical.dtype == pl.Boolean else empty)
                digest.update(blank.to_numpy().tobytes())
    return digest.hexdigest()
