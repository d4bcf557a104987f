"""Numbers as the card writes them: few digits, thousands apart, and never rounded to what they are not."""

from __future__ import annotations

import pytest

from trainer.card.words import deviation, ends, figure, marked, money, score, small_share, spoken

NO_BREAK = "\u00a0"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 %"), (1, "100 %"), (0.123456, "12.3 %"), (0.0123456, "1.23 %"), (0.000321, "0.0321 %"),
        (0.999, "99.90 %"), (0.99987, "99.987 %"), (1e-9, "< 0.0001 %"), (1 - 1e-9, "> 99.9999 %"),
        (None, "–"), (float("nan"), "–"),
    ],
)  # fmt: skip
def test_small_shares_keep_digits_that_count(value: float | None, written: str) -> None:
    assert small_share(value) == written.replace(" %", f"{NO_BREAK}%")


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.78743, "0.787"), (0, "0"), (1, "1"), (0.0002, "< 0.001"), (0.9999, "> 0.999"), (0.999, "0.999")],
)
def test_scores_have_three_decimals_and_are_never_rounded_to_perfect(value: float, written: str) -> None:
    assert score(value) == written


def test_money_has_thousands_its_currency_and_cents_only_where_they_count() -> None:
    assert money(1_234_567.891, "PEN") == f"1,234,568{NO_BREAK}PEN"
    assert money(905.1, "PEN") == f"905.10{NO_BREAK}PEN"
    assert money(80.0, "") == "80"
    assert money(None, "PEN") == money(float("nan"), "PEN") == "–"


def test_an_interval_has_its_unit_once() -> None:
    assert ends(0.125, 0.291, "precision") == f"12.5 to 29.1{NO_BREAK}%"
    assert ends(0.5304, 0.9333, "average_precision") == "0.530 to 0.933"
    assert ends(None, None, "recall") == "– to –"
    assert ends(-0.05, 0.1, "points") == "-5.0 to +10.0"


def test_figures_are_written_by_what_they_are() -> None:
    assert figure(0.78743210987654321, "average_precision") == "0.787"
    assert figure(23.428571, "alerts_per_day") == "23.4"
    assert figure(0.001101, "expected_calibration_error") == "0.0011"
    assert figure(1.0, "recall") == f"100{NO_BREAK}%"
    assert figure(0.00032, "small_share") == f"0.0320{NO_BREAK}%"
    assert figure(12345678, "rows") == "12,345,678"


def test_the_deviation_of_a_share_is_in_points() -> None:
    assert deviation(0.085, "recall") == f"8.5{NO_BREAK}points"
    assert deviation(0.0978, "average_precision") == "0.098"
    assert deviation(None, "recall") == "–"


def test_names_of_enums_are_said_and_others_left_as_they_are() -> None:
    assert spoken("POINT_OF_SALE") == "point of sale"
    assert spoken("ATM") == "ATM"
    assert spoken("banco-andino") == "banco-andino"
    assert spoken("below 20 PEN") == "below 20 PEN"


def test_code_is_marked_and_hostile_text_is_escaped() -> None:
    assert marked("see `a_b` <b>") == "see <code>a_b</code> &lt;b&gt;"
