from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest

from trainer.card import documents
from trainer.card.page import SECTIONS, timeline

from .card_evidence import HOSTILE, bare, champion, full

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


def test_what_was_not_made_is_said(bare_page: Page) -> None:
    text = "".join(bare_page.text)
    for part in ("Quality profile", "Declared checks", "Search", "Curves", "Leakage check", "Reasons"):
        assert part in text
    assert text.count("not made in this run") >= 10
    assert "No model was live before" in text


def test_verdict_rollback_and_exceptions_stand_on_the_page(page: Page) -> None:
    text = "".join(page.text)
    assert "challenger, not promoted" in text
    assert "Not promoted: it finds less." in text
    assert champion().model_version in text
    assert "1 exception" in text
    assert "each model on its own test window" in text
    forced = {"promoted": True, "forced": True, "text": "By force."}
    assert b"promoted by force" in documents(full(verdict=forced))["model_card.html"]


def test_a_large_card_stays_small_and_is_quick_to_make() -> None:
    evidence = full(features=120, tried=100)
    start = time.process_time()
    found = documents(evidence)
    assert time.process_time() - start < 10
    assert len(found["model_card.html"]) < 3_000_000
    assert len(found["validation.json"]) < 3_000_000


def test_the_bar_of_windows_covers_training_delay_and_validation() -> None:
    parts = timeline(bare().window.model_dump())
    assert [part["name"] for part in parts] == ["training", "label delay", "validation"]
    assert [part["days"] for part in parts] == [60, 7, 14]
    assert sum(part["width"] for part in parts) == pytest.approx(100, abs=0.01)
