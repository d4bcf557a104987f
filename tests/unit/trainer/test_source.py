from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kuntur.tables import Mapping
from tests.unit.trainer.samples import Heard
from trainer.config import SplitSettings, load
from trainer.source import Source, read_source
from trainer.split import TooLittleHistoryError

MIDNIGHT = datetime(2018, 8, 1)  # as a person writes it, with no zone

CARDS = """
TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD
1,2018-07-30 23:59:59,1,1,10.00,0
2,2018-07-31 00:00:00,1,1,10.00,1
3,2018-07-31 23:59:59,1,1,10.00,0
4,2018-08-01 00:00:00,1,1,10.00,0
"""


def source(tmp_path: Path, heard: Heard | None = None, **data: object) -> Source:
    path = tmp_path / "cards.csv"
    path.write_text(CARDS.lstrip())
    given = {"paths": (str(path),), "mapping": "handbook", **data}
    return read_source(load(None, {"data": given, "work": tmp_path / "work"}), heard or Heard())


def test_bounds_without_a_zone_are_in_that_of_the_files(tmp_path: Path) -> None:
    found = source(tmp_path, since=datetime(2018, 7, 31), until=MIDNIGHT)
    assert found.table.frame["transaction_id"].to_list() == ["2", "3"]
    assert found.until == datetime(2018, 8, 1, 5, tzinfo=UTC)
    assert found.label_delay_days == 7


def test_a_bound_with_a_zone_keeps_it(tmp_path: Path) -> None:
    found = source(tmp_path, until=MIDNIGHT.replace(tzinfo=UTC))
    assert found.table.frame["transaction_id"].to_list() == ["1", "2"]
    assert found.until == datetime(2018, 8, 1, tzinfo=UTC)


def test_labels_need_the_days_that_are_set_or_that_the_mapping_says_or_else_two_weeks(tmp_path: Path) -> None:
    found = source(tmp_path)
    assert found.delay_days(SplitSettings(label_delay_days=0)) == 0
    assert found.delay_days(SplitSettings()) == 7
    assert replace(found, label_delay_days=None).delay_days(SplitSettings()) == 14


def test_no_bound_stays_none() -> None:
    assert Mapping.load("handbook").aware(None) is None


def test_without_a_bound_the_present_is_just_after_the_last_transaction(tmp_path: Path) -> None:
    found = source(tmp_path)
    assert found.until == datetime(2018, 8, 1, 5, 0, 0, 1, tzinfo=UTC)
    assert len(found.table) == 4


def test_labels_reported_later_are_not_known(tmp_path: Path) -> None:
    # The handbook's labels come seven days after their transactions: the fraud's on 7 August.
    before, after = Heard(), Heard()
    early = source(tmp_path, before, until=datetime(2018, 8, 6, 23, 59, 59))
    late = source(tmp_path, after, until=datetime(2018, 8, 7))
    assert early.table.frame["is_fraud"].to_list() == [False, None, None, None]
    assert late.table.frame["is_fraud"].to_list() == [False, True, None, None]
    assert early.table.frame["reported_time"].null_count() == 3
    assert before.notes == ["Read 4 transactions, 0 of them known to be fraud by 2018-08-07 04:59 UTC"]
    assert after.notes == ["Read 4 transactions, 1 of them known to be fraud by 2018-08-07 05:00 UTC"]


def test_the_same_knowledge_is_the_same_data(tmp_path: Path) -> None:
    hashes = {source(tmp_path, until=datetime(2018, 8, 2, hour)).table.data_hash for hour in (1, 23)}
    assert len(hashes) == 1


def test_no_transaction_within_the_bounds_is_too_little_history(tmp_path: Path) -> None:
    with pytest.raises(TooLittleHistoryError, match="no transaction"):
        source(tmp_path, since=datetime(2019, 1, 1))
