from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest

from trainer.card import documents
from trainer.card.page import SECTIONS, timeline
from trainer.card.words import ends, figure, label

from .card_evidence import HOSTILE, bare, champion, full, window_intervals

VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Page(HTMLParser):
    """Reads a page and holds that every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.unnamed_plots = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in values.items()]
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "svg" and not (values.get("role") == "img" and values.get("aria-label")):
            self.unnamed_plots += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def source() -> str:
    return documents(full())["model_card.html"].decode()


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


@pytest.fixture(scope="module")
def bare_page() -> Page:
    return Page(documents(bare())["model_card.html"].decode())


def test_the_page_is_whole_and_every_section_is_there(page: Page, bare_page: Page) -> None:
    for found in (page, bare_page):
        assert {name for name, _ in SECTIONS} <= set(found.ids)
        assert len(found.ids) == len(set(found.ids))
        targets = {value[1:] for _, name, value in found.attributes if name in ("href", "xlink:href")}
        assert targets <= set(found.ids)


def test_the_page_needs_no_network_and_runs_nothing(page: Page, source: str) -> None:
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "xlink:href", "src"):
            assert value.startswith("#"), value
        for target in re.findall(r"url\(([^)]*)\)", value):
            assert target.startswith("#")
    assert not re.search(r"(?i)https?:|@import|javascript:|url\((?!#)", source)


def test_hostile_names_are_text(page: Page) -> None:
    text = "".join(page.text)
    assert HOSTILE in text
    assert "<b>amount</b>" in text
    assert "b" not in page.tags


def test_every_plot_has_words_for_those_who_do_not_see_it(page: Page) -> None:
    assert page.unnamed_plots == 0
    plots = [value for tag, name, value in page.attributes if (tag, name, value) == ("svg", "class", "plot")]
    assert len(plots) == 8


def test_what_was_lost_of_a_journal_stands_on_the_page(source: str) -> None:
    assert "Lost from the journal" in source
    assert "worker-0/f.kj" in source


def test_what_was_not_made_is_said(bare_page: Page) -> None:
    text = "".join(bare_page.text)
    for part in ("Quality profile", "Declared checks", "Search", "Curves", "Leakage check", "Reasons"):
        assert part in text
    assert text.count("not made in this run") >= 10
    assert "No model was live before" in text


def row_of(source: str, title: str) -> list[str]:
    """Returns the cells of a figure of the performance table: value, interval."""
    section = source[source.index('<section id="performance"') :]
    cell = '<td class="n">([^<]*)</td>'
    row = re.search(f'<th scope="row">{re.escape(title)}</th>{cell}{cell}', section)
    assert row is not None, title
    return list(row.groups())


def test_every_figure_stands_beside_its_interval(source: str) -> None:
    without = {"rows", "frauds", "expected_calibration_error"}
    for name, value in bare().manifest.metrics.items():
        shown, between = row_of(source, label(name))
        assert shown == figure(value, name)
        if name in without:
            assert between == "–", name
        else:
            _, low, high = window_intervals()[name]
            assert between == ends(low, high, name), name
    assert "calibration error has none, since" in source
    headline = re.search(r"<dt>alerts a day</dt><dd>[^<]*<small>([^<]*)</small>", source)
    assert headline is not None
    assert headline[1] == row_of(source, "alerts a day")[1]


def test_an_interval_that_no_replicate_has_is_a_dash() -> None:
    nothing = full(intervals={"precision": (0.0, float("nan"), float("nan"))})
    source = documents(nothing)["model_card.html"].decode()
    assert row_of(source, "precision")[1] == "–"
    assert "<small>–</small>" in source


def test_verdict_rollback_and_exceptions_stand_on_the_page(page: Page) -> None:
    text = "".join(page.text)
    assert "challenger, not promoted" in text
    assert "Not promoted: it finds less." in text
    assert champion().model_version in text
    assert "1 exception" in text
    assert "each model on its own test window" in text
    forced = {"promoted": True, "forced": True, "champion": "v0", "text": "By force."}
    assert b"promoted by force" in documents(full(verdict=forced))["model_card.html"]


def test_a_large_card_stays_small_and_is_quick_to_make() -> None:
    evidence = full(features=120, tried=100)
    start = time.process_time()
    found = documents(evidence)
    assert time.process_time() - start < 10
    assert len(found["model_card.html"]) < 3_000_000
    assert len(found["validation.json"]) < 3_000_000


def test_the_bar_of_windows_covers_training_delay_and_validation() -> None:
    parts = timeline(bare().manifest.window.model_dump())
    assert [part["name"] for part in parts] == ["training", "label delay", "validation"]
    assert [part["days"] for part in parts] == [60, 7, 14]
    assert sum(part["width"] for part in parts) == pytest.approx(100, abs=0.01)


def test_the_page_says_in_which_zone_hours_are(source: str) -> None:
    assert "<dt>Hours and days</dt><dd>in America/Lima</dd>" in source
    page = documents(full(time_zone="Europe/Madrid"))["model_card.html"].decode()
    assert "<dt>Hours and days</dt><dd>in Europe/Madrid</dd>" in page
