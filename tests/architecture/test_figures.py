"""Figures in pages are those that were measured: in tables, in words, and in the table of `make bench`."""

from __future__ import annotations

import json
import re

import pytest

from bench.document import with_tables
from bench.measuring.report import read
from tests.architecture.statements.reading import ROOT
from tests.support import results

_FIGURES = json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))["figures"]
# First cell of a row of the table of `make bench`, then what its AMD columns say with these figures.
_ROWS = {
    "single call, 1 in flight": (
        "{kuntur_unary_1_per_s:,.0f}/s, p50 {kuntur_unary_1_p50_ms:.2f} ms",
        "{ratio_unary_1_to_echo:.2f} of a bare echo; its p50 × {ratio_unary_1_p50_to_echo:.2f}",
    ),
    "single call, 32 in flight": (
        "{kuntur_unary_32_per_s:,.0f}/s",
        "{ratio_unary_32_to_echo:.1f} × a bare echo ({echo_unary_32_per_s:,.0f}/s)",
    ),
    "stream, frames of 1": (
        "{kuntur_stream_1_tx_per_s:,.0f} tx/s",
        "{ratio_stream_1_to_echo:.2f} of an echo stream",
    ),
    "stream, frames of 64": (
        "{kuntur_stream_64_tx_per_s:,.0f} tx/s",
        "{ratio_stream_64_to_onnxruntime:.2f} of ONNX Runtime alone",
    ),
    "stream, frames of 512": (
        "{kuntur_stream_512_tx_per_s:,.0f} tx/s",
        "{ratio_stream_512_to_onnxruntime:.2f} of ONNX Runtime alone",
    ),
    "ONNX Runtime alone, 1 / 64 / 512 rows": (
        "{onnxruntime_1_us:.1f} / {onnxruntime_64_us:.1f} / {onnxruntime_512_us:.1f} µs a row",
        "",
    ),
    "engine, one transaction / in bulk": ("{engine_single_us:.1f} / {engine_bulk_us:.1f} µs", ""),
    "reading a request of 1 / 64": ("{read_1_us:.1f} / {read_64_us:.2f} µs a transaction", ""),
    "writing a response of 64": ("{write_64_us:.2f} µs a transaction", ""),
}
_BENCH = ("README.md", "docs/performance.md")


def _text(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def _table(file: str) -> dict[str, list[str]]:
    found = re.search(r"\| what \| AMD EPYC.*?\n\n", _text(file), re.DOTALL)
    assert found, f"{file} has no table of make bench"
    lines = [line.strip("|").split(" | ") for line in found[0].strip().splitlines()[2:]]
    return {cells[0].strip(): [cell.strip(" |") for cell in cells[1:]] for cells in lines}


@pytest.mark.parametrize("file", _BENCH)
@pytest.mark.parametrize("what", _ROWS)
def test_the_table_of_make_bench_has_the_figures_that_were_measured(file: str, what: str) -> None:
    expected = [form.format_map(_FIGURES) for form in _ROWS[what]]
    assert _table(file)[what][:2] == expected


def test_both_pages_have_the_same_table_of_make_bench() -> None:
    assert _table(_BENCH[0]) == _table(_BENCH[1])


def test_the_tables_of_the_page_on_performance_are_those_that_were_measured() -> None:
    text = _text("docs/performance.md")
    marked = re.findall(r"<!-- table (\w+) -->", text)
    found = {name: read(name, ROOT / "bench" / "results") for name in marked}
    assert None not in found.values()
    assert with_tables(text, {name: both[1] for name, both in found.items() if both}) == text


def test_the_page_on_reliability_has_the_figures_of_the_long_tests() -> None:
    assert results.with_figures(results.page(), results.recorded()) == results.page()


# Where a figure of a measurement stands in words: the page, the words, the file, and the figure in its form.
_IN_WORDS = (
    ("docs/performance.md", "{}/s by `make bench`", "", "{kuntur_unary_32_per_s:,.0f}"),
    ("docs/performance.md", "{}/s beside idle streams", "streams", "{without_per_s:,.0f}"),
    ("docs/performance.md", "{}/s with reloads", "reloads", "{twice_rate_per_s:,.0f}"),
    ("docs/performance.md", "{}/s before an overload", "overload", "{twice_sustainable_per_s:,.0f}"),
    ("docs/performance.md", "{}/s at fixed rates", "rates", "{maximum_per_s:,.0f}"),
    ("docs/performance.md", "the server does {} × its calls", "options", "{unary_32_plain_to_echo:.2f}"),
    ("docs/performance.md", "{} × with all of it", "options", "{unary_32_all_to_echo:.2f}"),
    ("docs/overload.md", "such a call takes {} µs", "options", "{unary_32_plain_us:.1f}"),
    ("docs/cluster.md", "on two cores {} with one", "search_speed", "{trials_per_minute_1:.1f}"),
    ("docs/cluster.md", "with one and {} with two", "search_speed", "{trials_per_minute_2:.1f}"),
    ("docs/cluster.md", "with two, {} times as many", "search_speed", "{ratio:.2f}"),
    ("docs/cluster.md", "search_speed --trials {}`", "search_speed", "{trials}"),
)


@pytest.mark.parametrize(("file", "words", "measurement", "form"), _IN_WORDS)
def test_a_figure_in_words_is_the_one_that_was_measured(
    file: str, words: str, measurement: str, form: str
) -> None:
    figures = _FIGURES
    if measurement:
        document = json.loads(_text(f"bench/results/{measurement}.json"))
        figures = document.get("figures", document)
    doubled = {f"twice_{name}": 2 * value for name, value in figures.items() if isinstance(value, float)}
    expected = words.replace("{}", form.format_map(figures | doubled))
    assert expected in " ".join(_text(file).split())


def test_the_engine_takes_as_long_in_the_changelog_as_in_the_table() -> None:
    cells = _table("README.md")["engine, one transaction / in bulk"]
    bulk = sorted(re.findall(r"/ ([\d.]+) µs", " ".join(cells)))
    assert f"({bulk[0]} to {bulk[-1]} µs a transaction in bulk)" in " ".join(_text("CHANGELOG.md").split())


# What stands in two pages: each with the words around it; the groups have to be the same.
_TOLD_TWICE = (
    (
        ("README.md", r"any history before each fold \| (\S+) \((\S+)\) \| (\S+) \((\S+)\) \|"),
        ("docs/detection.md", r"average precision \| (\S+) \| (\S+) \| .*?\| AUC ROC \| (\S+) \| (\S+) \|"),
    ),
    (
        ("README.md", r"Kuntur, 7 days of training \| (\S+) \| (\S+) \| (\S+) \|"),
        ("docs/detection.md", r"`--training-days 7`\) \| (\S+) \| (\S+) \| (\S+) \|"),
    ),
    (
        ("README.md", r"Probabilities are off by (\S+) in the mean"),
        ("docs/detection.md", r"calibration error \| (\S+) \|"),
    ),
    (
        ("docs/detection.md", r"simulator made ([\d,]+) payments"),
        ("docs/performance.md", r"the ([\d,]+) Handbook payments"),
    ),
    (
        ("docs/reasons.md", r"depth 6 take (\S+) ms \((\S+)\) a row"),
        ("CHANGELOG.md", r"the server, (\S+) to (\S+) ms a row for 200 trees of depth 6"),
    ),
    (
        ("docs/serving.md", r"compiles nothing: (\S+) s to the first score with one worker"),
        ("docs/performance.md", r"one worker \| ([\d.]+)–"),
    ),
)


@pytest.mark.parametrize(("one", "other"), _TOLD_TWICE)
def test_a_figure_that_two_pages_tell_is_the_same(one: tuple[str, str], other: tuple[str, str]) -> None:
    found = [re.search(words, " ".join(_text(file).split())) for file, words in (one, other)]
    assert all(found), f"nothing reads like this in {one[0]} or {other[0]}"
    assert found[0].groups() == found[1].groups()
