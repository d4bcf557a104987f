"""Whatever enters a history and is answered, in whatever order: the journal makes the same history of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.api.v1 import scoring_service_pb2
from kuntur.journal.entries import RequestKind
from server.journal import Buffer, MemoryJournal
from server.state import HistorySizes, Region, replay
from tests.property.histories import bits
from tests.support.examples import examples
from tests.support.journaled import (
    CROWDED,
    ROOMY,
    SMALL,
    Journaled,
    later_features,
    numbered,
    outcome,
    replayed,
    words,
)
from tests.support.serving import frame, unary

Step = Callable[[Journaled], None]
_ITEMS = st.builds(
    numbered,
    st.integers(1, 12),
    other=st.integers(0, 7).map(lambda n: n == 0),
    bad=st.integers(0, 9).map(lambda n: n == 0),
)
_GOOD = st.builds(numbered, st.integers(1, 12))
_REPORTS = st.tuples(st.integers(1, 13), st.integers(0, 100), st.booleans())
_PLACES = st.lists(st.integers(0, 6), max_size=2)


def _singly(items: list, answered: bool, unscored: list[int]) -> Step:
    requests = [unary(item).SerializeToString() for item in items]

    def step(history: Journaled) -> None:
        if history.ask(RequestKind.SCORE_TRANSACTION, requests) and answered:
            history.answer(-1, unscored)

    return step


def _in_frames(frames: list[list], answered: bool, unscored: list[int]) -> Step:
    requests = [frame(*items).SerializeToString() for items in frames]

    def step(history: Journaled) -> None:
        if history.ask(RequestKind.SCORE_STREAM, requests) and answered:
            history.answer(-1, unscored)

    return step


def _backfill(items: list) -> Step:
    raw = scoring_service_pb2.ScoreStreamRequest(transactions=items).SerializeToString()
    return lambda history: history.backfill(raw)


def _report(reports: list[tuple[int, int, bool]]) -> Step:
    outcomes = [outcome(number, hours, fraud=fraud) for number, hours, fraud in reports]
    return lambda history: history.report(outcomes)


def _late_answer(number: int, unscored: list[int]) -> Step:
    def step(history: Journaled) -> None:
        if history.pending:
            history.answer(number, unscored)

    return step


_STEPS = st.lists(
    st.one_of(
        st.builds(_singly, st.lists(_GOOD, min_size=1, max_size=4), st.booleans(), _PLACES),
        st.builds(
            _in_frames,
            st.lists(st.lists(_ITEMS, min_size=1, max_size=4), min_size=1, max_size=2),
            st.booleans(),
            _PLACES,
        ),
        st.builds(_backfill, st.lists(_ITEMS, min_size=1, max_size=5)),
        st.builds(_report, st.lists(_REPORTS, min_size=1, max_size=4)),
        st.builds(_late_answer, st.integers(0, 9), _PLACES),
    ),
    min_size=1,
    max_size=14,
)


@contextmanager
def _region(sizes: HistorySizes, *, private: bool = False) -> Iterator[Region]:
    region = Region.private(sizes) if private else Region.create(sizes)
    try:
        yield region
    finally:
        region.close()


def _journal() -> MemoryJournal:
    return MemoryJournal(Buffer.anonymous(1 << 20))


@examples(150)
@given(st.sampled_from([SMALL, CROWDED, ROOMY]), st.booleans(), _STEPS, st.sampled_from([1, 3, 4096]))
def test_the_journal_makes_the_same_history_whichever_entries_enter_together(
    sizes: HistorySizes, private: bool, steps: list[Step], together: int
) -> None:
    journal = _journal()
    with _region(sizes, private=private) as region, _region(sizes, private=private) as fresh:
        history = Journaled(region, journal)
        for step in steps:
            step(history)
        written = history.written()
        assert [entry.sequence for entry in written] == list(range(1, journal.buffer.next_sequence))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(replay, "_ROWS", together)
            assert replayed(fresh, journal.buffer.journal, written) == len(written)
        assert words(fresh) == words(region)
        np.testing.assert_array_equal(bits(later_features(fresh)), bits(later_features(region)))
    journal.buffer.close()


@examples(60)
@given(st.sampled_from([CROWDED, ROOMY]), _STEPS, st.sampled_from([1, 4096]), st.integers(0, 40))
def test_a_history_that_was_left_at_any_point_is_brought_to_the_same(
    sizes: HistorySizes, steps: list[Step], together: int, cut: int
) -> None:
    """Also when it is left once more on the way."""
    journal, left = _journal(), []
    with _region(sizes) as region:
        history = Journaled(region, journal)
        for step in steps:
            left.append((journal.buffer.next_sequence, region.memory.copy()))
            step(history)
        written, expected = history.written(), words(region)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "_ROWS", together)
        for following, memory in left:
            with _region(sizes) as old:
                old.memory[:] = memory
                parts = (written[:cut], written[cut:])
                entered = [replayed(old, journal.buffer.journal, part, journal.find) for part in parts]
                assert sum(entered) == len(written) - following + 1
                assert words(old) == expected
    journal.buffer.close()
