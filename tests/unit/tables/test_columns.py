from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from kuntur.currency import COUNTRY_NUMBER, CURRENCY_NUMBER, to_cents
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.identity import SCOPED, Institutions, siphash
from kuntur.tables import canonical_schema, to_batch, to_outcomes
from kuntur.transaction import UNSET_INT
from tests.support.examples import examples

SECRET = secret_from_hex(DEFAULT_HASH_KEY)
IDS = st.text(max_size=12)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
PLACE = st.one_of(st.none(), st.tuples(st.floats(-90, 90), st.floats(-180, 180)))
ROW = st.fixed_dictionaries(
    {
        "transaction_id": IDS.filter(bool),
        "institution_id": st.sampled_from(["", "bank", "caja ñ"]),
        "event_time": MOMENT,
        "account_id": IDS.filter(bool),
        "amount_minor": st.integers(0, 10**13),
        "currency_code": st.sampled_from(["PEN", "USD", "JPY", "KWD"]),
        "type": st.integers(0, 7),
        "channel": st.integers(0, 8),
        "account_type": st.integers(0, 6),
        "account_balance_minor": st.none() | st.integers(-(10**15), 10**15),
        "account_age_days": st.none() | st.integers(0, 100_000),
        "counterparty_account_id": IDS,
        "merchant_id": IDS,
        "merchant_category_code": st.sampled_from(["", "5411", "0742"]),
        "merchant_country_code": st.sampled_from(["", "PE", "US"]),
        "place": PLACE,
        "device_id": IDS,
        "ip_address": st.just(""),
        "attribute.risk": st.none() | st.floats(-10, 10),
        "is_fraud": st.none() | st.booleans(),
        "lag": st.integers(0, 10**6),
    }
)


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    made = []
    for number, row in enumerate(rows):
        latitude, longitude = row["place"] or (None, None)
        reported = None if row["is_fraud"] is None else row["event_time"] + timedelta(seconds=row["lag"])
        extra = {"merchant_latitude": latitude, "merchant_longitude": longitude, "source_row": number}
        made.append(row | extra | {"reported_time": reported})
    schema = canonical_schema(("risk",))
    return pl.DataFrame([{name: row[name] for name in schema} for row in made], schema=schema)


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def oracle_keys(row: dict[str, Any]) -> list[int]:
    """Hashes one row's ids one by one, straight from the definition of `hash_ids`."""
    names = ("transaction_id", "account_id", "merchant_id", "device_id", "merchant_category_code",
             "counterparty_account_id")  # fmt: skip
    scope = Institutions(SECRET).scope(row["institution_id"])
    keys = []
    for column, name in enumerate(names):
        data = np.frombuffer(row[name].encode(), dtype=np.uint8)
        if not len(data):
            keys.append(0)
            continue
        k0 = int(SECRET[0]) ^ (scope if SCOPED[column] else 0)
        value = siphash(data, 0, len(data), np.uint64(k0), np.uint64(int(SECRET[1]) ^ (column + 1)))
        keys.append(int(value) or 1)
    return keys


def oracle_ints(row: dict[str, Any]) -> list[int]:
    currency, balance, age = row["currency_code"], row["account_balance_minor"], row["account_age_days"]
    return [
        microseconds(row["event_time"]),
        to_cents(row["amount_minor"], currency),
        UNSET_INT if balance is None else to_cents(balance, currency),
        row["type"],
        row["channel"],
        row["account_type"],
        UNSET_INT if age is None else age,
        COUNTRY_NUMBER[row["merchant_country_code"]],
        CURRENCY_NUMBER[currency],
        1,
        0,
    ]


@examples(60)
@given(st.lists(ROW, min_size=1, max_size=8))
def test_a_batch_equals_what_a_slow_conversion_row_by_row_gives(rows: list[dict[str, Any]]) -> None:
    batch = to_batch(frame_of(rows), SECRET)
    assert batch.keys.tolist() == [oracle_keys(row) for row in rows]
    assert batch.ints.tolist() == [oracle_ints(row) for row in rows]
    for number, row in enumerate(rows):
        expected = row["place"] or (math.nan, math.nan)
        np.testing.assert_array_equal(batch.floats[number], expected)
    risk = [math.nan if row["attribute.risk"] is None else row["attribute.risk"] for row in rows]
    np.testing.assert_array_equal(batch.attributes["risk"], risk)


@examples(40)
@given(st.lists(ROW, min_size=1, max_size=8))
def test_outcomes_are_the_labelled_rows_in_the_order_of_their_reports(rows: list[dict[str, Any]]) -> None:
    frame = frame_of(rows)
    batch = to_batch(frame, SECRET)
    outcomes, order = to_outcomes(frame, batch.keys)
    reported = [
        (microseconds(row["event_time"]) + row["lag"] * 1_000_000, number)
        for number, row in enumerate(rows)
        if row["is_fraud"] is not None
    ]
    assert order.tolist() == [number for _, number in sorted(reported)]
    assert outcomes.reported_time_us.tolist() == [at for at, _ in sorted(reported)]
    assert outcomes.is_fraud.tolist() == [rows[number]["is_fraud"] for number in order]
    assert (outcomes.keys == batch.keys[order]).all()


def test_arrays_have_the_types_and_layout_that_the_engine_computes_on() -> None:
    schema = canonical_schema(("risk",))
    for frame in (pl.DataFrame(schema=schema),):
        batch = to_batch(frame, SECRET)
        assert (batch.keys.shape, batch.keys.dtype) == ((0, 6), np.uint64)
        assert (batch.ints.shape, batch.ints.dtype) == ((0, 11), np.int64)
        assert (batch.floats.shape, batch.floats.dtype) == ((0, 2), np.float64)
        assert all(array.flags.c_contiguous for array in (batch.keys, batch.ints, batch.floats))
        assert len(to_outcomes(frame, batch.keys)[0]) == 0
