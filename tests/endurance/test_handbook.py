from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import polars as pl
import pytest

from kuntur.tables import Mapping, read

HANDBOOK = Path(os.environ.get("KUNTUR_HANDBOOK", ""))
pytestmark = pytest.mark.skipif(not HANDBOOK.is_file(), reason="KUNTUR_HANDBOOK names no file")
SINCE, UNTIL = datetime(2018, 8, 8, 5, tzinfo=UTC), datetime(2018, 8, 15, 5, tzinfo=UTC)


def test_a_week_of_the_handbook_is_read_whole_exactly_and_at_local_hours() -> None:
    table = read(HANDBOOK, Mapping.load("handbook"), since=SINCE, until=UNTIL)
    naive = pl.scan_parquet(HANDBOOK).filter(
        pl.col("TX_DATETIME").is_between(datetime(2018, 8, 8), datetime(2018, 8, 15), closed="left")
    )
    raw = naive.collect()
    assert table.rejects.rows_rejected == 0
    assert table.frame["transaction_id"].to_list() == raw["TRANSACTION_ID"].cast(pl.String).to_list()
    exact = [
        int(Decimal(repr(amount)).quantize(Decimal("0.01"), ROUND_HALF_EVEN).scaleb(2))
        for amount in raw["TX_AMOUNT"]
    ]
    assert table.frame["amount_minor"].to_list() == exact
    local = table.frame["event_time"].dt.convert_time_zone("America/Lima").dt.replace_time_zone(None)
    assert local.to_list() == raw["TX_DATETIME"].to_list()
    assert (table.frame["reported_time"] - table.frame["event_time"] == timedelta(days=7)).all()
    assert table.frame["is_fraud"].sum() == raw["TX_FRAUD"].sum()
