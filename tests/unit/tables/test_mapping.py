from __future__ import annotations

import os
from pathlib import Path

import pytest

from kuntur.tables import Mapping, MappingError, shipped_mappings

MINIMAL = """
[columns]
transaction_id = "id"
event_time = "when"
account_id = "card"
amount_minor = "amount"
[constants]
currency_code = "PEN"
"""


def load(tmp_path: Path, text: str) -> Mapping:
    path = tmp_path / "bank.toml"
    path.write_text(text, encoding="utf-8")
    return Mapping.load(path)


def test_every_shipped_mapping_loads_by_its_name() -> None:
    assert set(shipped_mappings()) == {"handbook", "kuntur"}
    for name in shipped_mappings():
        assert Mapping.load(name).description


@pytest.mark.parametrize(("name", "column"), [("kuntur", "fraud_cause"), ("handbook", "TX_FRAUD_SCENARIO")])
def test_a_shipped_mapping_reads_how_a_fraud_was_made_as_its_kind_alone(name: str, column: str) -> None:
    mapping = Mapping.load(name)
    assert mapping.label is not None
    assert mapping.label.kind == column
    assert mapping.names_kinds
    rest = mapping.without_kinds()
    assert not rest.names_kinds
    assert column not in repr(rest.model_dump(exclude={"description"}))


def test_a_mapping_that_does_not_exist_names_the_shipped_ones() -> None:
    with pytest.raises(MappingError, match="handbook, kuntur"):
        Mapping.load("nowhere")


def test_a_file_that_is_not_toml_is_a_mapping_error(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="not valid TOML"):
        load(tmp_path, "[columns")


def test_all_problems_of_a_mapping_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(MappingError) as caught:
        load(
            tmp_path,
            """
            [columns]
            transaction_id = "id"
            colour = "c"
            currency_code = "cur"
            [constants]
            currency_code = "PEN"
            [values.type]
            POS = "BUY"
            [attributes]
            Loud = "x"
            """,
        )
    message = str(caught.value)
    for part in ("columns.colour", "both a column and a constant", "event_time is required", "BUY", "'Loud'"):
        assert part in message


@pytest.mark.parametrize(
    ("addition", "said"),
    [
        ("[time]\nzone = 'Peru/Lima'", "not an IANA time zone"),
        ("[time]\nformat = 'iso8601'", "epoch_ms"),
        ("[label]\ncolumn = 'f'\nfraud = ['1']", "delay_days"),
        ("[label]\ncolumn = 'f'\nfraud = []\ndelay_days = 1", "at least one value"),
        ("[label]\ncolumn = 'f'\nfraud = ['1']\nlegitimate = ['1']\ndelay_days = 1", "fraud and legitimate"),
        (
            "[label]\ncolumn = 'f'\nfraud = ['1']\ndelay_days = 1\nlabelled_values = ['0']",
            "labelled and not labelled",
        ),
        ("[label]\ncolumn = 'f'\nfraud = ['1']\nreported_time = 'r'\nreported_format = 'day'", "epoch_ms"),
        ("[amounts]\nunit = 'minor'", "amounts"),
        ("[label]\ncolumn = 'f'\nfraud = ['1']\ndelay_days = 1\nkind = 'card'", "also columns.account_id"),
        (
            "[label]\ncolumn = 'f'\nfraud = ['1']\ndelay_days = 1\nkind = 'k'\n[attributes]\nkind = 'k'",
            "also attributes.kind: what kind of fraud it was can be no input",
        ),
        ("[amount]\nunit = 'cents'", "major"),
    ],
)
def test_a_wrong_setting_is_told(tmp_path: Path, addition: str, said: str) -> None:
    with pytest.raises(MappingError, match=said):
        load(tmp_path, MINIMAL + addition)


def test_a_required_field_cannot_be_optional(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"optional\.account_id"):
        load(tmp_path, 'optional = ["account_id"]\n' + MINIMAL)


OUTCOMES = """
[columns]
transaction_id = "id"
[label]
column = "verdict"
fraud = ["F"]
"""


def load_for_outcomes(tmp_path: Path, text: str) -> Mapping:
    path = tmp_path / "chargebacks.toml"
    path.write_text(text, encoding="utf-8")
    return Mapping.load(path, reads="outcomes")


def test_outcomes_need_neither_account_nor_amount(tmp_path: Path) -> None:
    text = OUTCOMES + "reported_time = 'known'"
    assert load_for_outcomes(tmp_path, text).columns == {"transaction_id": "id"}
    with pytest.raises(MappingError, match="amount_minor is required"):
        load(tmp_path, text)


def test_outcomes_need_a_label(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="label is required"):
        load_for_outcomes(tmp_path, MINIMAL)


def test_outcomes_need_a_transaction_id(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="transaction_id is required"):
        load_for_outcomes(tmp_path, OUTCOMES.replace("transaction_id", "device_id") + "delay_days = 1")


def test_a_delay_without_an_event_time_gives_no_outcome_a_reported_time(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"no outcome has a reported time: give label\.reported_time"):
        load_for_outcomes(tmp_path, OUTCOMES + "delay_days = 7")


def test_a_pipe_or_a_link_to_a_device_is_refused_and_nothing_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "device.toml").symlink_to("/dev/zero")
    for name in ("pipe.toml", "device.toml"):
        with pytest.raises(MappingError, match=f"{name}: is not a regular file$"):
            Mapping.load(tmp_path / name)


def test_a_mapping_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "large.toml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(MappingError, match="more than the 1,048,576 that are read"):
        Mapping.load(tmp_path / "large.toml")


def test_user_assigned_countries_are_valid_where_they_are_named(tmp_path: Path) -> None:
    named = load(tmp_path, 'country_codes = ["XA"]\n' + MINIMAL)
    assert named.accepting(["ZZ", "XA"]).country_codes == ("XA", "ZZ")
    with pytest.raises(MappingError, match="country_codes: 'UK' is not user-assigned in ISO 3166-1"):
        load(tmp_path, 'country_codes = ["UK"]\n' + MINIMAL)
