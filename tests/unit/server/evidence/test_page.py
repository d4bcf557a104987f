"""The page of evidence: all that the JSON has, escaped, and nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from server.evidence import document
from server.evidence.document import Evidence
from server.evidence.page import render

_HOSTILE = "<script>alert(1)</script>&\"'"
_VOID = {"meta"}


class Page(HTMLParser):
    """Elements and text of a page; fails for one that is not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def evidence(**changes: Any) -> Evidence:
    """Returns evidence of which every text that comes from elsewhere is hostile."""
    text = _HOSTILE
    reason = document.Reason(feature=text, value=None, contribution=1.5, description=text)
    signature = document.Signature(checked=True, signers=(text,), told=text)
    fields: dict[str, Any] = {
        "institution_id": text,
        "transaction_id": text,
        "made_time": "2026-11-28T12:00:00Z",
        "made_by": "kuntur-server",
        "summary": (text, "It answered."),
        "request": document.Asked(
            time="2026-11-28T12:00:00Z",
            caller=text,
            method="ScoreStream",
            reasons_mode="REASONS_MODE_ALL",
            entry=7,
            place=0,
            transactions_in_entry=12,
            transaction={"account_id": text, "device_id": None, "attributes": {text: 0.5}},
        ),
        "answer": document.Answered(
            time="2026-11-28T12:00:00Z",
            entry=8,
            admission=7,
            fraud_probability=0.1 + 0.2,
            decision="DECLINE",
            reasons=(reason,),
            model_version=text,
        ),
        "again": (document.Again(entry=9, time="2026", caller=None, became=text),),
        "model": document.Model(
            model_version=text,
            manifest_sha256="aa",
            model_sha256="bb",
            algorithm=text,
            published_time="",
            data_hash="cc",
            review_threshold=0.5,
            decline_threshold=0.9,
            threshold_rationale=text,
            verdict=text,
            signature=signature,
        ),
        "features": (
            document.Feature(name=text, value=None, used=True, description=text, unit="count"),
            document.Feature(name="hour", value=3.0, used=False, description="Hour", unit="hour"),
        ),
        "rebuilt": document.Rebuilt(
            equal=False,
            told=text,
            fraud_probability=0.5,
            decision="REVIEW",
            reasons=(reason,),
            differences=(document.Difference(what="decision", answered=text, rebuilt="REVIEW"),),
            caveats=(text,),
            entries=6,
        ),
        "outcomes": (
            document.Outcome(
                label="FRAUD", reported_time="2026", entry=10, time="2026", caller=text, refused=True
            ),
        ),
        "proof": text,
        "checkpoint": f"{text}\n8\n",
        "entries": (
            document.Entry(
                role="the request",
                sequence=7,
                time="2026",
                record="AAAA",
                holds=(),
                leaf_hash="dd",
                index=6,
                path=(),
                tlog_proof="",
            ),
        ),
    }
    return Evidence(**(fields | changes))


def test_nothing_that_was_sent_becomes_markup() -> None:
    page = Page(render(evidence(), "evidence.json"))
    assert "script" not in {tag for tag, _ in page.found}
    assert page.text.count(_HOSTILE) >= 20


def test_it_takes_nothing_from_elsewhere() -> None:
    raw = render(evidence(), "evidence.json")
    page = Page(raw)
    assert {tag for tag, _ in page.found}.isdisjoint(
        {"script", "link", "img", "iframe", "object", "form", "a"}
    )
    for _, attributes in page.found:
        assert not {"src", "href", "style", "srcset"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|https?:", raw)
    policies = [attributes for tag, attributes in page.found if "http-equiv" in attributes]
    assert [each["content"] for each in policies] == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_it_says_all_that_there_is() -> None:
    page = Page(render(evidence(), "evidence.json")).text
    for part in (
        "0.30000000000000004", "DECLINE", "entry 7, transaction 1 of the 12", "FRAUD (refused)", "unset",
        "+1.5000", "not given", "verify_evidence.py evidence.json", "12 transactions, and its raw bytes",
    ):  # fmt: skip
        assert part in page
    assert [line for line in page.splitlines() if re.match(r"\d\. ", line)] == [
        "1. What was asked",
        "2. What was answered",
        "3. The answer, rebuilt",
        "4. The model",
        "5. Rules and lists in force",
        "6. What was known at that moment",
        "7. What was reported since",
        "8. The entries of the journal",
        "9. How to check this without trusting whoever made it",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": None},
        {"model": None, "features": ()},
        {"again": (), "outcomes": ()},
        {"checkpoint": None},
        {"institution_id": ""},
    ],
)
def test_what_is_missing_leaves_a_whole_page(changes: dict[str, Any]) -> None:
    text = Page(render(evidence(**changes), "evidence.json")).text
    assert "None" not in text.replace("None: this release", "")
    if "checkpoint" in changes:
        assert "There is no proof to check" in text


def test_an_answer_that_differs_stands_out() -> None:
    assert 'class="sum bad"' in render(evidence(), "evidence.json")
    equal = evidence().rebuilt.model_copy(update={"equal": True})
    assert 'class="sum bad"' not in render(evidence(rebuilt=equal), "evidence.json")
