from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.tables import TimeFormat
from kuntur.tables.reading import moments, parse

PLACES = {"PEN": 2, "JPY": 0, "KWD": 3}


def minor(values: pl.Series, currency: str = "PEN", **options: Any) -> list[int | None]:
    column = parse.minor_units(pl.col("v"), values.dtype, pl.lit(currency), **options)
    return values.to_frame("v").select(column).to_series().to_list()


def moment(values: pl.Series, *, day_ends: bool = False, **written: str) -> list[datetime | None]:
    column = moments.time(pl.col("v"), values.dtype, TimeFormat(**written), day_ends=day_ends)
    return values.to_frame("v").select(column).to_series().to_list()


def test_every_amount_of_two_decimals_is_exact() -> None:
    cents = range(0, 2_000_000, 7)
    assert minor(pl.Series([number / 100 for number in cents])) == list(cents)
    assert minor(pl.Series([57.16, 1.15, 0.29, 4.35])) == [5716, 115, 29, 435]


def test_halves_go_to_the_even_neighbour() -> None:
    assert minor(pl.Series(["0.125", "0.135", "0.1250001", "-0.125", "2.675"])) == [12, 14, 13, -12, 268]


@given(
    st.decimals(min_value=-(10**10), max_value=10**10, places=6, allow_nan=False),
    st.sampled_from(sorted(PLACES)),
)
def test_amounts_round_as_decimal_arithmetic_does(amount: Decimal, currency: str) -> None:
    unit = Decimal(1).scaleb(-PLACES[currency])
    expected = int(amount.quantize(unit, rounding=ROUND_HALF_EVEN).scaleb(PLACES[currency]))
    assert minor(pl.Series([f"{amount:f}"]), currency) == [expected]


@given(st.floats(min_value=-1e11, max_value=1e11, allow_nan=False))
def test_a_float_counts_as_its_shortest_decimal_text(amount: float) -> None:
    expected = int(Decimal(repr(amount)).quantize(Decimal("0.01"), ROUND_HALF_EVEN).scaleb(2))
    assert minor(pl.Series([amount])) == [expected]


def test_an_amount_that_is_no_number_is_not_read() -> None:
    assert minor(pl.Series(["", "12,5", "S/ 3", "1e3", "--1", None])) == [None] * 6
    assert minor(pl.Series([float("nan"), float("inf")])) == [None, None]


def test_money_needs_a_digit_on_one_side_of_the_point_only() -> None:
    assert minor(pl.Series([".50", "-.5", "+7.", "0.50"])) == [50, -50, 700, 50]
    assert minor(pl.Series([".", "-", "+.", "-."])) == [None] * 4


def test_a_decimal_comma_is_read_where_the_mapping_says_so() -> None:
    assert minor(pl.Series(["57,16"]), decimal_comma=True) == [5716]


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01T13:45:10Z",
        "2024-05-01T08:45:10-05:00",
        "2024-05-01 08:45:10-0500",
        "2024-05-01 08:45:10-05",
        "2024-05-01T15:45:10.000+02:00",
        "2024-05-01 08:45:10",
    ],
)
def test_iso_times_are_read_with_an_offset_or_in_the_named_zone(text: str) -> None:
    expected = datetime(2024, 5, 1, 13, 45, 10, tzinfo=UTC)
    assert moment(pl.Series([text]), zone="America/Lima") == [expected]


def test_a_date_alone_is_its_midnight_and_not_an_offset() -> None:
    assert moment(pl.Series(["2024-05-01"]), zone="America/Lima") == [datetime(2024, 5, 1, 5, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (pl.Series([date(2024, 5, 1)]), "iso"),
        (pl.Series(["2024-05-01"]), "iso"),
        (pl.Series(["01/05/2024"]), "%d/%m/%Y"),
        (pl.Series(["05/01/24"]), "%D"),
        (pl.Series(["%s 01.05.2024"]), "%%s %d.%m.%Y"),
    ],
)
def test_a_date_without_a_time_of_day_is_its_start_or_where_asked_its_end(
    values: pl.Series, form: str
) -> None:
    start = datetime(2024, 5, 1, 5, tzinfo=UTC)
    assert moment(values, format=form, zone="America/Lima") == [start]
    assert moment(values, day_ends=True, format=form, zone="America/Lima") == [start + timedelta(days=1)]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2024-05-01T00:00", "iso"),
        ("2024-05-01 00:00:00", "iso"),
        ("01/05/2024 00:00", "%d/%m/%Y %H:%M"),
        ("01/05/2024 12:00 AM", "%d/%m/%Y %I:%M %p"),
        ("01/05/2024  0:00", "%d/%m/%Y %_H:%M"),
        ("01/05/2024 00:00", "%d/%m/%Y %R"),
        ("01/05/2024 00:00:00", "%d/%m/%Y %T"),
        ("01/05/2024 00:00:00", "%d/%m/%Y %X"),
        ("Wed May  1 00:00:00 2024", "%c"),
        ("1714521600", "%s"),
        ("1714521600", "epoch_s"),
    ],
)
def test_a_midnight_that_is_written_as_a_time_is_no_date(value: str, form: str) -> None:
    assert moment(pl.Series([value]), day_ends=True, format=form) == [datetime(2024, 5, 1, tzinfo=UTC)]


def test_a_day_whose_midnight_the_clock_skips_begins_where_the_day_before_ends() -> None:
    skipped = datetime(2018, 11, 4, 3, tzinfo=UTC)  # 00:00 at -03 was 01:00 at -02 in São Paulo
    zone = "America/Sao_Paulo"
    assert moment(pl.Series(["2018-11-04"]), zone=zone) == [skipped]
    assert moment(pl.Series(["2018-11-03"]), day_ends=True, zone=zone) == [skipped]


def test_the_day_of_a_clock_change_ends_at_its_own_midnight() -> None:
    ends = moment(pl.Series(["2024-03-10", "2024-11-03"]), day_ends=True, zone="America/New_York")
    assert ends == [datetime(2024, 3, 11, 4, tzinfo=UTC), datetime(2024, 11, 4, 5, tzinfo=UTC)]


def test_microseconds_are_kept() -> None:
    assert moment(pl.Series(["2024-05-01T00:00:00.123456"])) == [datetime(2024, 5, 1, 0, 0, 0, 123456, UTC)]


def test_a_repeated_local_time_is_its_first_and_a_skipped_one_is_not_read() -> None:
    times = pl.Series(["2024-11-03T01:30:00", "2024-03-10T02:30:00"])
    assert moment(times, zone="America/New_York") == [datetime(2024, 11, 3, 5, 30, tzinfo=UTC), None]


@pytest.mark.parametrize(
    ("form", "value"), [("epoch_s", 1714571110), ("epoch_ms", 1714571110000), ("epoch_us", 1714571110000000)]
)
def test_epoch_times_are_read_as_numbers_and_as_text(form: str, value: int) -> None:
    expected = [datetime(2024, 5, 1, 13, 45, 10, tzinfo=UTC)]
    assert moment(pl.Series([value]), format=form) == expected
    assert moment(pl.Series([str(value)]), format=form) == expected
    assert moment(pl.Series([float(value)]), format=form) == expected


def test_a_number_that_no_calendar_holds_is_not_a_time() -> None:
    assert moment(pl.Series([2**62]), format="epoch_s") == [None]


def test_a_pattern_reads_other_ways_to_write_times() -> None:
    times = pl.Series(["01/05/2024 08:45:10", "99/05/2024 08:45:10"])
    expected = [datetime(2024, 5, 1, 13, 45, 10, tzinfo=UTC), None]
    assert moment(times, format="%d/%m/%Y %H:%M:%S", zone="America/Lima") == expected


def test_naive_datetimes_are_placed_in_the_zone_and_aware_ones_are_converted() -> None:
    naive = pl.Series([datetime(2024, 5, 1, 8, 45)])
    expected = [datetime(2024, 5, 1, 13, 45, tzinfo=UTC)]
    assert moment(naive, zone="America/Lima") == expected
    assert moment(naive.dt.replace_time_zone("America/Lima"), zone="Europe/Madrid") == expected


def test_ids_kept_as_floats_lose_their_point() -> None:
    values = pl.Series([596.0, None, 1.5])
    assert values.to_frame("v").select(parse.text(pl.col("v"), values.dtype)).to_series().to_list() == [
        "596",
        None,
        "1.5",
    ]
