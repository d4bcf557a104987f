from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.wording import counted, moved, number, per_cent


@given(st.floats())
def test_no_number_has_an_exponent_or_is_nan(value: float) -> None:
    for text in (number(value), per_cent(value), moved("log loss", value)):
        assert not re.search(r"\de[+-]?\d|\bnan\b|\binf\b|-0(?![.\d])", text), text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (0.25, "0.25"), (1234.0, "1,234"), (12345.6, "12,346"),
        (0.000042, "0.000042"), (1.355e-20, "< 0.000001"), (-1e-20, "between -0.000001 and 0"),
        (1e300, "more than 1,000,000,000,000,000"),
        (math.nan, "–"), (math.inf, "–"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


def test_a_share_that_is_not_quite_all_or_none_is_not_written_as_that() -> None:
    assert per_cent(0.00001) == "< 0.1\u00a0%"
    assert per_cent(0.99999) == "> 99.9\u00a0%"
    assert (per_cent(0.0), per_cent(1.0), per_cent(0.5)) == ("0.0\u00a0%", "100.0\u00a0%", "50.0\u00a0%")


def test_what_gets_worse_is_not_said_to_be_lowered_by_less_than_nothing() -> None:
    assert moved("log loss", -4.27e-05) == "raises the log loss by 0.0000427"
    assert moved("log loss", 0.01) == "lowers the log loss by 0.01"
    assert moved("log loss", 0.0) == "leaves the log loss as it is"


def test_one_is_not_in_the_plural() -> None:
    assert (counted(1, "trial"), counted(0, "trial"), counted(1200, "trial")) == (
        "1 trial", "0 trials", "1,200 trials",
    )  # fmt: skip
