import os
import subprocess
import sys

import pytest

from bench.document import with_tables
from bench.measuring.processes import cpu_seconds, family, rss_bytes
from bench.measuring.report import Sheet, median_ratio, read, write
from bench.plots import draw
from bench.serving.soak import drift

_SHEET = Sheet("Title", ("what", "measured"), [("a call", "1 µs")])


def test_a_ratio_is_the_median_of_the_rounds_own():
    assert median_ratio([1.0, 20.0, 3.0], [2.0, 40.0, 3.0]) == 0.5


def test_rounds_without_their_baseline_are_refused():
    with pytest.raises(ValueError, match="zip"):
        median_ratio([1.0, 2.0], [1.0])


def test_what_is_written_is_read_back(tmp_path):
    write("some", {"figure": 1.23456}, _SHEET, tmp_path)
    assert read("some", tmp_path) == ({"figure": 1.2346}, _SHEET)


def test_what_was_not_measured_is_none(tmp_path):
    assert read("other", tmp_path) is None


def test_a_table_replaces_what_stands_between_its_marks_and_no_more():
    page = "before\n<!-- table some -->\nold\n<!-- end -->\n<!-- table other -->\nkept\n<!-- end -->\nafter\n"
    text = with_tables(page, {"some": _SHEET})
    assert "old" not in text
    assert "| what | measured |\n| --- | --- |\n| a call | 1 µs |\n<!-- end -->" in text
    assert "<!-- table other -->\nkept\n<!-- end -->\nafter\n" in text
    assert with_tables(text, {"some": _SHEET}) == text


def test_memory_that_fills_in_the_first_third_is_no_drift():
    assert drift([10, 50, 100, 100, 100, 100, 100, 100, 100]) == 0


def test_memory_that_goes_on_growing_is_drift():
    assert drift([100, 100, 100, 110, 110, 110, 121, 121, 121]) == pytest.approx(0.1)


def test_children_belong_to_the_family():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert {os.getpid(), child.pid} <= set(family(os.getpid()))
        assert set(cpu_seconds(os.getpid())) >= {os.getpid()}
        assert rss_bytes(os.getpid()) > 10 << 20
    finally:
        child.communicate(b"\n")


def test_the_same_figures_draw_the_same_plot(tmp_path):
    figures = {"maximum_per_s": 4_000.0}
    for name in ("kuntur", "echo"):
        for arrivals in ("even", "poisson"):
            for share in (25, 50, 75, 90):
                figures |= {f"{name}_{arrivals}_{share}_p{q}_ms": share / q for q in (50, 99)}
    draw(figures, tmp_path / "one.svg")
    draw(figures, tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
