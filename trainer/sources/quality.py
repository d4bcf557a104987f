"""The quality profile of a table: the profile of each column, and which rows were refused.

How one column is profiled is left to `profile`. No value of an id and no offending value goes into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kuntur.fields.schema import SOURCE_ROW
from kuntur.journal.file import Loss
from kuntur.tables import Table
from trainer.sources.profile import ColumnClass, profile

_CLASSES = {
    "transaction_id": ColumnClass.IDENTIFIER,
    "institution_id": ColumnClass.NONE,
    "event_time": ColumnClass.BEHAVIOURAL,
    "account_id": ColumnClass.IDENTIFIER,
    "amount_minor": ColumnClass.FINANCIAL,
    "currency_code": ColumnClass.NONE,
    "type": ColumnClass.NONE,
    "channel": ColumnClass.NONE,
    "account_type": ColumnClass.FINANCIAL,
    "account_balance_minor": ColumnClass.FINANCIAL,
    "account_age_days": ColumnClass.FINANCIAL,
    "counterparty_account_id": ColumnClass.IDENTIFIER,
    "merchant_id": ColumnClass.IDENTIFIER,  # a shop may be a person
    "merchant_category_code": ColumnClass.BEHAVIOURAL,
    "merchant_country_code": ColumnClass.LOCATION,
    "merchant_latitude": ColumnClass.LOCATION,
    "merchant_longitude": ColumnClass.LOCATION,
    "device_id": ColumnClass.IDENTIFIER,
    "ip_address": ColumnClass.IDENTIFIER,
    "is_fraud": ColumnClass.FINANCIAL,
    "reported_time": ColumnClass.BEHAVIOURAL,
    "fraud_kind": ColumnClass.FINANCIAL,
}


_UNITS = {
    "amount_minor": "minor units",
    "account_balance_minor": "minor units",
    "account_age_days": "days",
    "merchant_latitude": "degrees",
    "merchant_longitude": "degrees",
}


def column_class(name: str) -> ColumnClass:
    """Tells how close a canonical column comes to a person; unknown for an attribute."""
    return _CLASSES.get(name, ColumnClass.UNKNOWN)


def quality_profile(table: Table, losses: Sequence[Loss] = ()) -> dict[str, Any]:
    """Returns the profile of a table as plain values. Shares are of all rows.

    rows; rejected: counts, and each finding without the value that it found; lost: what was not to be had of
    a journal, `losses`; columns: `profile` by name, with the unit.
    """
    return {
        "rows": len(table),
        "rejected": {
            "rows_read": table.rejects.rows_read,
            "rows_rejected": table.rejects.rows_rejected,
            "findings": [
                {
                    "reason": finding.reason.value,
                    "field": finding.field,
                    "column": finding.column,
                    "rows": finding.rows,
                }
                for finding in table.rejects.findings
            ],
        },
        "lost": [
            {
                "file": str(loss.path),
                "byte": loss.offset,
                "bytes": loss.size,
                "entries": loss.entries,
                "cause": loss.cause,
            }
            for loss in losses
        ],
        "columns": {
            name: {"unit": _UNITS.get(name, "")} | profile(name, table.frame[name], column_class(name))
            for name in table.frame.columns
            if name != SOURCE_ROW
        },
    }
