from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from kuntur.tables import Mapping
from trainer.config import load
from trainer.progress import Silent
from trainer.source import Source, read_source

MIDNIGHT = datetime(2018, 8, 1)  # as a person writes it, with no zone

CARDS = """
TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD
1,2018-07-30 23:59:59,1,1,10.00,0
2,2018-07-31 00:00:00,1,1,10.00,1
3,2018-07-31 23:59:59,1,1,10.00,0
4,2018-08-01 00:00:00,1,1,10.00,0
"""


def source(tmp_path: Path, **data: object) -> Source:
    path = tmp_path / "cards.csv"
    path.write_text(CARDS.lstrip())
    given = {"paths": (str(path),), "mapping": "handbook", **data}
    return read_source(load(None, {"data": given, "work": tmp_path / "work"}), Silent())


def test_bounds_without_a_zone_are_in_that_of_the_files(tmp_path: Path) -> None:
    found = source(tmp_path, since=datetime(2018, 7, 31), until=MIDNIGHT)
    assert found.table.frame["transaction_id"].to_list() == ["2", "3"]
    assert found.until == datetime(2018, 8, 1, 5, tzinfo=UTC)
    assert found.label_delay_days == 7


def test_a_bound_with_a_zone_keeps_it(tmp_path: Path) -> None:
    found = source(tmp_path, until=MIDNIGHT.replace(tzinfo=UTC))
    assert found.table.frame["transaction_id"].to_list() == ["1", "2"]
    assert found.until == datetime(2018, 8, 1, tzinfo=UTC)


def test_no_bound_stays_none() -> None:
    assert Mapping.load("handbook").aware(None) is None
