"""The harnesses themselves, without a fuzzer: what they are given at first passes, and what is near it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzzing import wire
from tests.fuzzing.mutating import mutated
from tests.fuzzing.readers import READERS, Reader
from tests.fuzzing.results import PAGE, page_with, read

_FOUND = sorted((Path(__file__).parent / "found").iterdir())
_MUTATIONS = {"wire": 2000, "journal": 250, "bundle": 400, "token": 1500}

readers = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


@readers
def test_a_reader_takes_or_refuses_what_is_near_its_examples(reader: Reader) -> None:
    harness = reader.harness()
    seeds = harness.seeds()
    for raw in [*seeds, *mutated(seeds, harness.DICTIONARY, _MUTATIONS[reader.name])]:
        harness.check(raw)


@readers
def test_the_fuzzer_begins_with_the_same_inputs_each_time(reader: Reader) -> None:
    seeds = reader.harness().seeds()
    assert seeds == reader.harness().seeds()
    assert len(set(seeds)) == len(seeds)
    assert all(len(raw) <= reader.longest for raw in seeds)


@pytest.mark.parametrize("path", _FOUND, ids=lambda path: path.name)
def test_what_was_found_once_is_not_found_again(path: Path) -> None:
    name = path.name.split("-")[0]
    (reader,) = (each for each in READERS if each.name == name)
    reader.harness().check(path.read_bytes())


def test_a_request_that_is_read_otherwise_is_noticed() -> None:
    reading = wire._READER.read_request(wire.seeds()[1], wire._LATEST_US)
    changed = reading._replace(batch=replace(reading.batch, ints=reading.batch.ints + 1))
    with pytest.raises(AssertionError):
        wire._check_columns(changed, reading)


def test_the_page_has_the_figures_of_the_last_run() -> None:
    results = read()
    assert {each.reader for each in results} == {each.name for each in READERS}
    text = PAGE.read_text(encoding="utf-8")
    assert page_with(results, text) == text
    assert "<!-- table fuzzing -->" in text
