"""What a reader of a rejected file is told: one cause, one message, and what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kuntur.tables import Mapping, SourceError, TooManyRejects, read

MAPPING = {
    "columns": {
        "transaction_id": "id", "event_time": "time", "account_id": "account", "amount_minor": "amount",
    },
    "constants": {"currency_code": "PEN"},
    "label": {"column": "fraud", "fraud": ["1"], "delay_days": 7},
}  # fmt: skip
HEADER = "id,time,account,amount,fraud,band\n"
GOOD = "1,2019-11-30T23:16:32.812632,a,100,1,3\n"


def _told(path: Path, text: str, **changes: object) -> str:
    path.write_text(HEADER + text)
    with pytest.raises(TooManyRejects) as caught:
        read(path, Mapping.model_validate(MAPPING | changes))
    return str(caught.value)


def test_a_day_that_does_not_exist_is_one_cause_with_one_message(tmp_path: Path) -> None:
    told = _told(tmp_path / "f.csv", GOOD + "2,2019-11-31T23:16:32.812632,a,100,1,3\n")
    assert "such as '2019-11-31T23:16:32.812632' in row 2" in told
    assert "there is no day 2019-11-31" in told
    assert "reported_time" not in told
    assert "[time]" not in told


def test_a_time_in_another_form_is_still_told_of_time_format(tmp_path: Path) -> None:
    told = _told(tmp_path / "f.csv", "2,30/11/2019 23:16,a,100,1,3\n")
    assert "say how times are written in [time]: format, zone" in told
    assert "reported_time" not in told


def test_an_event_time_that_is_not_given_is_not_told_of_its_report_time(tmp_path: Path) -> None:
    told = _told(tmp_path / "f.csv", GOOD + "2,,a,100,1,3\n")
    assert "for event_time: 1 missing" in told
    assert "reported_time" not in told


def test_a_text_attribute_is_told_that_attributes_are_numbers(tmp_path: Path) -> None:
    told = _told(
        tmp_path / "f.csv", GOOD + "2,2019-11-30T23:17:00,a,100,1,gold\n", attributes={"risk_band": "band"}
    )
    assert "of the form 'aaaa' in row 2" in told
    assert "attributes are numbers, and 'risk_band' holds text here" in told


def test_a_file_with_another_ending_is_read_by_the_format_that_the_mapping_names(tmp_path: Path) -> None:
    path = tmp_path / "day.Inputs"
    path.write_text(HEADER + GOOD)
    with pytest.raises(SourceError, match=r'name the format .* file_format = "csv"'):
        read(path, Mapping.model_validate(MAPPING))
    assert len(read(path, Mapping.model_validate(MAPPING | {"file_format": "csv"}))) == 1
