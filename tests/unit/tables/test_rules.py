from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from kuntur.api.v1 import transaction_pb2
from kuntur.fields.transaction import EVENT_TIME
from kuntur.tables import canonical_schema
from kuntur.validation.columns import row_rules
from kuntur.validation.messages import transaction_violations
from tests.support.examples import examples

NAMES = (
    "transaction_id",
    "institution_id",
    "account_id",
    "counterparty_account_id",
    "merchant_id",
    "device_id",
)
WILD_IDS = ["", "a", "ñ" * 64, "ñ" * 65, "x" * 128, "x" * 129]
EDGES: dict[str, list[Any]] = {
    "amount_minor": [-1, 0, 1, 10**13, 10**13 + 1],
    "currency_code": ["", "PEN", "pen", "XXQ", "USD "],
    "account_balance_minor": [None, 0, 10**15, -(10**15), 10**15 + 1, -(10**15) - 1],
    "account_age_days": [None, -1, 0, 100_000, 100_001],
    "merchant_category_code": ["", "0742", "742", "07421", "07a2", "٠٧٤٢"],
    "merchant_country_code": ["", "PE", "pe", "XX"],
    "merchant_latitude": [None, -90.0, 90.0, 90.1, float("nan"), float("inf")],
    "merchant_longitude": [None, -180.0, 180.0, -180.1, float("nan")],
    "ip_address": ["", "1.2.3.4", "01.2.3.4", "1.2.3.4\n", " 1.2.3.4", "256.1.1.1", "1.2.3", "::1",
                   "::ffff:1.2.3.4",
                   "fe80::1%eth0", ":::", "2001:db8::g"],
    "attribute.risk": [None, 0.0, float("nan"), float("-inf")],
    "event_time": [datetime(1990, 1, 1, tzinfo=UTC), datetime(1989, 12, 31, 23, 59, 59, tzinfo=UTC)],
    "type": [0, 1, 7, 8, -1],
    "channel": [0, 8, 9],
    "account_type": [0, 6, 7],
}  # fmt: skip
# Nearly every field at its first good value, one to three of them wild.
GOOD: dict[str, Any] = {
    **dict.fromkeys(NAMES, "a"),
    **{name: next(v for v in values if v not in ("", -1)) for name, values in EDGES.items()},
    "amount_minor": 1,
    "account_age_days": None,
}
WILD = st.dictionaries(st.sampled_from([*NAMES, *EDGES]), st.integers(0, 11), max_size=3)


def row_of(wild: dict[str, int]) -> dict[str, Any]:
    chosen = {name: (EDGES.get(name, WILD_IDS), pick) for name, pick in wild.items()}
    return GOOD | {name: values[pick % len(values)] for name, (values, pick) in chosen.items()}


def message_of(row: dict[str, Any]) -> transaction_pb2.Transaction:
    message = transaction_pb2.Transaction()
    for name, value in row.items():
        if value is None:
            continue
        if name == "event_time":
            message.event_time.FromDatetime(value)
        elif name == "attribute.risk":
            message.attributes["risk"] = value
        else:
            setattr(message, name, value)
    return message


@examples(300)
@given(WILD)
def test_a_row_is_rejected_exactly_when_the_api_refuses_it_and_for_the_same_fields(
    wild: dict[str, int],
) -> None:
    row = row_of(wild)
    schema = {name: dtype for name, dtype in canonical_schema(("risk",)).items() if name in row}
    frame = pl.DataFrame([{name: row[name] for name in schema}], schema=schema)
    rejected = {
        rule.field
        for rule in row_rules(("risk",), labels=False)
        if frame.select(rule.broken.fill_null(value=False)).item()
    }
    refused = {
        violation.field.replace('attributes["risk"]', "attribute.risk")
        for violation in transaction_violations(message_of(row), EVENT_TIME.latest_s * 1_000_000)
    }
    assert rejected == refused
