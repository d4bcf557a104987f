from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kuntur.currency import ASSIGNABLE_COUNTRY_NUMBER
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, to_batch
from kuntur.time_zone import TimeZone, time_zone
from kuntur.transaction import IntColumn
from tests.unit.trainer.samples import Heard
from trainer.settings.config import load
from trainer.settings.data import SplitSettings
from trainer.sources.source import Source, institution_zone, read_source
from trainer.sources.split import TooLittleHistoryError

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


def institution(tmp_path: Path, zone: str, mapping: str = "handbook") -> tuple[TimeZone, list[str]]:
    heard = Heard()
    given = {"data": {"paths": ("x.csv",), "mapping": mapping}, "institution": {"time_zone": zone}}
    return institution_zone(load(None, given), heard), heard.notes


def test_hours_are_in_the_institution_s_zone_and_a_file_in_another_one_is_noted(tmp_path: Path) -> None:
    zone, notes = institution(tmp_path, "Europe/Madrid")
    assert zone is time_zone("Europe/Madrid")
    (note,) = notes
    assert "local to America/Lima, and features count hours and days in Europe/Madrid" in note
    assert institution(tmp_path, "America/Bogota")[1] == []  # the same clock
    assert institution(tmp_path, "Europe/Madrid", "kuntur")[1] == []  # in UTC, as exports are


def test_user_assigned_countries_of_the_settings_are_valid_in_every_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "id,when,card,amount,land\n1,2024-05-01T00:00:00,a,100,XA\n2,2024-05-01T00:00:01,a,100,PE\n"
    )
    mapping = tmp_path / "bank.toml"
    columns = {"transaction_id": "id", "event_time": "when", "account_id": "card", "amount_minor": "amount"}
    lines = [f'{name} = "{column}"' for name, column in {**columns, "merchant_country_code": "land"}.items()]
    mapping.write_text("\n".join(["[columns]", *lines, "[constants]", 'currency_code = "PEN"\n']))
    data = {"paths": (str(path),), "mapping": str(mapping), "max_reject_share": 1.0}
    given = {"data": data, "work": tmp_path / "work"}
    assert len(read_source(load(None, given), Heard()).table) == 1
    found = read_source(load(None, given | {"institution": {"country_codes": ["XA"]}}), Heard()).table
    assert found.frame["merchant_country_code"].to_list() == ["XA", "PE"]
    batch = to_batch(found.frame, secret_from_hex(DEFAULT_HASH_KEY))
    assert batch.ints[0, IntColumn.COUNTRY] == ASSIGNABLE_COUNTRY_NUMBER["XA"]
