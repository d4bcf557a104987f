from __future__ import annotations

import polars as pl
import pycountry
import pytest

from kuntur.api.v1 import transaction_pb2
from kuntur.currency import (
    ASSIGNABLE_COUNTRY_NUMBER,
    COUNTRY_NUMBER,
    CURRENCY_NUMBER,
    MINOR_UNIT_SCALE,
    country_numbers,
    to_cents,
)
from kuntur.validation.columns import row_rules
from kuntur.validation.messages import transaction_violations

# Left out of the table on purpose: withdrawn before 1990, the earliest year of an event.
_BEFORE_1990 = {
    "AI", "BQ", "BU", "BY", "CT", "DY", "FQ", "GE", "HV", "JT",
    "MI", "NH", "NQ", "PC", "PU", "PZ", "RH", "SK", "VD", "WK",
}  # fmt: skip


def test_every_code_that_the_library_knows_is_in_the_table() -> None:
    """When it fails: a new code belongs into the lists of kuntur/codes.toml."""
    assert {currency.alpha_3 for currency in pycountry.currencies} - set(CURRENCY_NUMBER) == set()
    assert {country.alpha_2 for country in pycountry.countries} - set(COUNTRY_NUMBER) == set()
    historic = {getattr(country, "alpha_2", "") for country in pycountry.historic_countries}
    assert historic - _BEFORE_1990 - set(COUNTRY_NUMBER) == set()


def test_no_code_was_taken_out_of_the_table() -> None:
    """The numbers of codes at this revision: they may grow, never shrink."""
    assert len(CURRENCY_NUMBER) >= 282
    assert len(COUNTRY_NUMBER) >= 261


@pytest.mark.parametrize("currency", ["BGN", "HRK", "ANG", "CUC", "SLL", "ZWL", "DEM", "VEF", "PEN"])
@pytest.mark.parametrize("country", ["AN", "XK", "CS", "YU", "PE", ""])
def test_codes_of_history_are_accepted_from_requests_and_files_alike(currency: str, country: str) -> None:
    sent = transaction_pb2.Transaction(currency_code=currency, merchant_country_code=country)
    broken = {violation.field for violation in transaction_violations(sent, 0)}
    assert not broken & {"currency_code", "merchant_country_code"}
    assert not _broken_in_file(currency, country)


@pytest.mark.parametrize(("currency", "country"), [("QQQ", "QQ"), ("pen", "pe"), ("PE", "PER")])
def test_codes_of_no_list_are_refused_from_requests_and_files_alike(currency: str, country: str) -> None:
    sent = transaction_pb2.Transaction(currency_code=currency, merchant_country_code=country)
    broken = {violation.field for violation in transaction_violations(sent, 0)}
    assert broken >= {"currency_code", "merchant_country_code"}
    assert _broken_in_file(currency, country) == {"currency_code", "merchant_country_code"}


def test_currencies_without_a_minor_unit_keep_their_scale_after_they_were_withdrawn() -> None:
    assert to_cents(1_000, "ITL") == 100_000
    assert to_cents(1_000, "BGN") == 1_000
    assert set(MINOR_UNIT_SCALE) <= set(CURRENCY_NUMBER)


def _broken_in_file(currency: str, country: str) -> set[str]:
    frame = pl.DataFrame({"currency_code": [currency], "merchant_country_code": [country]})
    rules = [rule for rule in row_rules() if rule.field in frame.columns and "not" not in rule.reason]
    return {
        rule.field
        for rule in rules
        if set(rule.broken.meta.root_names()) <= set(frame.columns)
        and frame.select(rule.broken).to_series()[0]
    }


def test_a_user_assigned_country_is_refused_with_the_setting_that_would_accept_it() -> None:
    sent = transaction_pb2.Transaction(currency_code="PEN", merchant_country_code="XA")
    (told,) = [v for v in transaction_violations(sent, 0) if v.field == "merchant_country_code"]
    assert told.description == (
        "is a user-assigned code that institution.country_codes of the server does not name"
    )
    accepted = transaction_violations(sent, 0, countries=country_numbers(["XA"]))
    assert not [v for v in accepted if v.field == "merchant_country_code"]
    frame = pl.DataFrame({"merchant_country_code": ["XA", "XB", "PE", ""]})
    (rule,) = [rule for rule in row_rules(country_codes=["XA"]) if rule.field == "merchant_country_code"]
    assert frame.select(rule.broken).to_series().to_list() == [False, True, False, False]


def test_the_user_assigned_countries_are_those_of_iso_3166_1() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    expected = {"AA", "ZZ", *(f"Q{c}" for c in letters[12:]), *(f"X{c}" for c in letters)} - {"XK"}
    assert set(ASSIGNABLE_COUNTRY_NUMBER) == expected
    assert not expected & set(COUNTRY_NUMBER)
