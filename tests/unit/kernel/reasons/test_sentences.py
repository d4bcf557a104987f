from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuntur.features import CATALOGUE, FEATURE_NAMES
from kuntur.features.catalogue import feature_index
from kuntur.reasons import LinearExplanation, Reasoner
from kuntur.reasons.formats import format_of, money, number, seconds, span_in_words
from kuntur.reasons.sentences import has_sentence, sentence_of

_NO_NUMBER_OF_PEOPLE = re.compile(r"\de[+-]?\d|\bnan\b|\binf\b|-0(\.0*)?(?![\d.])", re.IGNORECASE)
UNSET = [math.nan] * len(FEATURE_NAMES)
ODD = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 3e38, math.inf, -math.inf, 2.0**53, 99.96)


def _row(**values: float) -> list[float]:
    row = list(UNSET)
    for name, value in ({"is_foreign_currency": 0.0} | values).items():
        row[feature_index()[name]] = value
    return row


def _said(name: str, **values: float) -> str:
    row = _row(**values)
    return sentence_of(name).shown(row[feature_index()[name]], row)


@pytest.mark.parametrize("name", [feature.name for feature in CATALOGUE])
def test_every_feature_of_the_catalogue_has_a_sentence_whatever_its_value(name: str) -> None:
    assert has_sentence(name), f"kuntur/reasons/sentences.toml says nothing of {name}"
    sentence = sentence_of(name)
    whole = [1.0] * len(FEATURE_NAMES)
    for value in (*ODD, math.nan):
        for row in (UNSET, whole, [math.inf] * len(FEATURE_NAMES)):
            _assert_reads(sentence.shown(value, row))
    assert sentence.shown(math.nan, UNSET) in (
        sentence.shown(math.nan, whole),
        "The merchant is not given",
        "The device is not given",
        "The merchant category is not given",
    )


def _assert_reads(text: str) -> None:
    assert re.match(r"[A-Z0-9∞-]|\w+ is ", text), text
    assert not set("{}<>") & set(text), text
    assert "nan" not in text.lower().split(), text
    assert "  " not in text
    assert not _NO_NUMBER_OF_PEOPLE.search(text), text
    assert 5 < len(text) < 200


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*FEATURE_NAMES, "attribute.risk_band", "a_feature_of_tomorrow"]),
    st.lists(st.floats(width=32), min_size=len(FEATURE_NAMES), max_size=len(FEATURE_NAMES)),
    st.floats(width=32),
)
def test_a_sentence_is_made_of_any_row(name: str, row: list[float], value: float) -> None:
    text = sentence_of(name).shown(value, row)
    assert text
    assert not _NO_NUMBER_OF_PEOPLE.search(text), text


def test_an_input_that_was_not_given_is_said_to_be_so() -> None:
    assert _said("merchant_mean_7d") == "The merchant is not given"
    assert _said("device_seconds_since_last") == "The device is not given"
    assert _said("category_risk_30d") == "The merchant category is not given"
    assert _said("merchant_mean_7d", merchant_count_30d=0) == (
        "No transaction of this merchant in the last 7 d, hence no mean amount"
    )
    assert _said("amount_to_balance") == (
        "The balance before it is not given or not above 0: nothing to hold the amount against"
    )


def test_extreme_values_are_told_as_people_write_them() -> None:
    assert _said("account_amount_ratio_30d", account_amount_ratio_30d=4e-7) == (
        "Amount less than 0.01 times the mean of this account in the last 30 d"
    )
    assert _said("amount_to_balance", amount_to_balance=1e-9) == (
        "Amount of less than 0.01 % of the balance before it"
    )
    assert number(3e38) == "more than 1,000,000,000,000,000"
    assert (number(4e-7), number(-4e-7), number(-0.0)) == ("less than 0.0001", "between -0.0001 and 0", "0")
    assert (money(0.001, "PEN"), money(-0.001, "PEN"), money(0.001, "")) == (
        "less than PEN 0.01", "PEN 0.00", "less than 0.01",
    )  # fmt: skip


def test_sentences_say_what_a_person_asks() -> None:
    assert (
        _said("account_count_1h", account_count_1h=9, account_count_30d=288)
        == "9 transactions in the last hour; usual for this account: 0.4"
    )
    assert (
        _said("account_amount_ratio_30d", account_amount_ratio_30d=12.3, account_mean_30d=35.2)
        == "Amount 12.3 times the mean of this account in the last 30 d (PEN 35.20)"
    )
    assert (
        _said("merchant_fraud_count_7d", merchant_fraud_count_7d=4, merchant_risk_7d=0.12)
        == "This merchant had 4 reported frauds in the last 7 d, 12 % of its outcomes"
    )
    assert _said("merchant_fraud_count_7d", merchant_fraud_count_7d=1) == (
        "This merchant had 1 reported fraud in the last 7 d"
    )
    assert _said("channel", channel=2) == "Made in e-commerce"
    assert _said("channel", channel=11) == "Made through channel 11"
    assert _said("weekday", weekday=6) == "Made on a Sunday"
    assert _said("account_hours_since_fraud", account_hours_since_fraud=36) == (
        "The latest fraud of this account was reported 1.5 d ago"
    )
    assert _said("log_amount", log_amount=3.6, amount=35.2, account_mean_30d=8.0) == (
        "Amount PEN 35.20; usual for this account in 30 d: PEN 8.00"
    )
    assert _said("amount", amount=35.2) == "Amount PEN 35.20"


def test_money_that_is_not_in_soles_has_no_currency() -> None:
    assert _said("amount", amount=35.2, is_foreign_currency=1) == "Amount 35.20"


def test_attributes_and_unknown_names_have_plain_sentences() -> None:
    assert sentence_of("attribute.risk_band").shown(0.25, UNSET) == (
        "The institution's own value risk_band is 0.25"
    )
    assert sentence_of("attribute.risk_band").shown(math.nan, UNSET) == (
        "The institution gave no value risk_band"
    )
    assert sentence_of("a_feature_of_tomorrow").shown(2.0, UNSET) == "a_feature_of_tomorrow: 2"
    assert not has_sentence("a_feature_of_tomorrow")


def test_numbers_have_the_digits_that_say_something() -> None:
    shown = {0.0: "0", 9.0: "9", 0.4: "0.4", 12.3: "12.3", 123.4: "123", 1234567.0: "1,234,567", 9.996: "10"}
    assert {value: number(value) for value in shown} == shown
    assert (number(math.inf), number(-math.inf), number(-2.5)) == ("∞", "-∞", "-2.5")
    assert number(0.0333) == "0.033"
    assert (money(1234.5, "PEN"), money(0.0, "")) == ("PEN 1,234.50", "0.00")
    assert [seconds(value) for value in (5, 90, 7_200, 200_000)] == ["5 s", "1.5 min", "2 h", "2.3 d"]
    assert [span_in_words(span) for span in ("1h", "1d", "24h", "90d", "merchant")] == [
        "hour", "day", "24 h", "90 d", "merchant",
    ]  # fmt: skip
    assert format_of("per 7d 30d")(30.0, "") == "7"


@pytest.mark.parametrize("kind", ["", "words", "per 1h", "per 1x 30d"])
def test_a_format_that_there_is_not_is_an_error_and_no_sentence(kind: str) -> None:
    with pytest.raises(ValueError, match=r"no format|not a span"):
        format_of(kind)


def test_reasons_are_the_strongest_first_without_those_that_move_nothing() -> None:
    names = ("amount", "attribute.a", "hour", "attribute.b", "attribute.c")
    weights = np.array([0.0, -3.0, 1.0, 3.0, 0.5])
    reasoner = Reasoner(LinearExplanation(np.zeros(5), weights, 0.0, 1.0), names)
    features = np.array([[1, 1, 1, 1, 1], [1, np.nan, 0, 2, 0]], dtype=np.float32)
    rows = np.full((2, len(FEATURE_NAMES)), np.nan, dtype=np.float32)
    found = reasoner.reasons(features, rows, 3)
    assert [[reason.feature for reason in each] for each in found] == [
        ["attribute.a", "attribute.b", "hour"],  # of equal ones the first of the model's inputs
        ["attribute.b"],
    ]
    assert found[0][0].contribution == pytest.approx(-3 * math.log(2))
    assert len(reasoner.reasons(features, rows, 50)[0]) == 4
    assert reasoner.reasons(features, rows, 0) == [(), ()]
