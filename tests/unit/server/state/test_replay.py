"""A history is brought to where the journal is: at the start, and when a process died on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from kuntur.api.v1 import outcome_service_pb2
from kuntur.features import CATALOGUE
from kuntur.history.answers import PLACE
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.journal.v1 import journal_pb2
from kuntur.transaction import OutcomeBatch, TransactionBatch
from server.journal import Buffer, JournalWriter, MemoryJournal, SharedJournal
from server.state import Region, RegionHistory
from server.state.rebuild import bring_up_to_date, catching_up
from server.state.replay import ReplayError
from tests.support.journaled import (
    READER,
    ROOMY,
    Journaled,
    later_features,
    numbered,
    outcome,
    read,
    replayed,
    report_of,
    words,
)
from tests.support.journals import write
from tests.support.serving import frame, unary

NOTHING: tuple[np.ndarray, np.ndarray] = (np.empty((0, 1), np.uint64), np.empty((0, 2), np.int64))


@pytest.fixture
def region() -> Iterator[Region]:
    made = Region.create(ROOMY)
    yield made
    made.close()


@pytest.fixture
def fresh() -> Iterator[Region]:
    made = Region.create(ROOMY)
    yield made
    made.close()


@pytest.fixture
def history(region: Region) -> Journaled:
    return Journaled(region, MemoryJournal(Buffer.anonymous(1 << 20)))


def framed(*numbers: int) -> bytes:
    return frame(*map(numbered, numbers)).SerializeToString()


def begin(history: Journaled) -> None:
    """Lets something enter, so that the history is not empty."""
    history.ask(RequestKind.SCORE_STREAM, [framed(1, 2, 3)])
    history.answer(0)
    history.report([outcome(1, 1, fraud=True), outcome(2, 1, fraud=False)])


class Died:
    """What a process leaves that dies over an entry, after so many of its rows; -1: before it is one."""

    def __init__(self, history: Journaled, rows: int) -> None:
        self.history, self.rows = history, rows

    def _dies_over(self, entry: bytes) -> bool:
        buffer = self.history.journal.buffer
        assert buffer.place(entry)
        if self.rows >= 0:
            buffer.write_down()
        return self.rows > 0

    def admission(self, raw: bytes) -> None:
        batch, memory = read(raw).batch, self.history.region.history
        if self._dies_over(entries.admission(RequestKind.SCORE_STREAM, [raw])):
            trail = np.full((len(batch), 2), -1, dtype=np.int64)
            trail[:, PLACE] = np.arange(len(batch))
            rows, out = batch.rows(slice(0, self.rows)), np.empty((self.rows, len(CATALOGUE)), np.float32)
            offsets = self.history.region.zone.offsets
            memory.take_transactions(rows, offsets, out, trail[: self.rows], entries=-1)

    def report(self, raw: bytes) -> None:
        _, outcomes = report_of(outcome_service_pb2.ReportOutcomesRequest.FromString(raw).outcomes)
        if self._dies_over(entries.admission(RequestKind.REPORT_OUTCOMES, [raw])):
            rows = outcomes.rows(np.arange(len(outcomes)) < self.rows)
            self.history.region.history.take_outcomes(rows, np.zeros(self.rows, np.int8), entries=-1)

    def answer(self, number: int) -> None:
        entered = self.history.pending.pop(number)
        responses = [b"" for _ in entered.requests]
        answer = entries.answer(entered.kind, entered.admitted.sequence, responses)
        if self._dies_over(answer):
            keys, trail = entered.reading.batch.keys, entered.admitted.trail
            rows = slice(0, self.rows)
            self.history.region.history.take_answers(keys[rows], trail[rows], entries=-1)


def check_goes_on(history: Journaled, fresh: Region) -> None:
    """Checks that the next one to take the history makes it what the journal says, and goes on with it."""
    history.ask(RequestKind.SCORE_TRANSACTION, [unary(numbered(9)).SerializeToString()])
    history.answer(-1)
    replayed(fresh, history.journal.buffer.journal, history.written(), history.journal.find)
    assert words(history.region) == words(fresh)


@pytest.mark.parametrize("rows", range(-1, 4))
def test_a_process_that_dies_over_an_admission_leaves_it_to_the_next(
    history: Journaled, fresh: Region, rows: int
) -> None:
    begin(history)
    Died(history, rows).admission(framed(4, 2, 5, 6))
    check_goes_on(history, fresh)
    assert (history.store.counts().recent_transactions == 4) == (rows == -1)


@pytest.mark.parametrize("rows", range(-1, 3))
def test_a_process_that_dies_over_a_report_leaves_it_to_the_next(
    history: Journaled, fresh: Region, rows: int
) -> None:
    begin(history)
    raw, _ = report_of([outcome(1, 5, fraud=False), outcome(3, 5, fraud=True), outcome(2, 6, fraud=True)])
    Died(history, rows).report(raw)
    check_goes_on(history, fresh)


@pytest.mark.parametrize("rows", range(-1, 3))
def test_a_process_that_dies_over_an_answer_leaves_it_to_the_next(
    history: Journaled, fresh: Region, rows: int
) -> None:
    begin(history)
    history.ask(RequestKind.SCORE_STREAM, [framed(4, 5, 6)])
    history.ask(RequestKind.SCORE_STREAM, [framed(7, 8)])
    Died(history, rows).answer(0)
    history.answer(0)
    check_goes_on(history, fresh)


CALLS: list[Callable[[RegionHistory], object]] = [
    lambda store: store.admit(read(framed(8)).batch, np.zeros(1, np.int64), b"x", scored=False),
    lambda store: store.admit_outcomes(report_of([outcome(1, 9, fraud=True)])[1], b"x"),
    lambda store: store.answer(*NOTHING, b"x"),
]


@pytest.mark.parametrize("call", CALLS)
def test_each_call_first_brings_the_history_up_to_date(
    history: Journaled, call: Callable[[RegionHistory], object]
) -> None:
    begin(history)
    Died(history, 1).admission(framed(4, 5))
    other = RegionHistory(Region.attach(os.dup(history.region.fd or -1)), history.journal)
    other.catch_up = catching_up(history.region, history.journal, READER)
    call(other)
    assert history.region.history.contains == (history.journal.buffer.next_sequence - 1, 0)
    numbers = history.store.report(report_of([outcome(n, 50, fraud=True) for n in (4, 5)])[1])
    assert numbers.tolist() == [0, 0]


def test_what_cannot_be_caught_up_with_lets_go_of_the_lock_and_says_what_is_missing(
    history: Journaled,
) -> None:
    begin(history)
    Died(history, 0).admission(framed(4, 5))
    history.journal.buffer.free(history.journal.buffer.next_sequence)
    for _ in range(40):
        history.journal.buffer.place(bytes(100_000))  # written over
        history.journal.buffer.write_down()
        history.journal.buffer.free(history.journal.buffer.next_sequence)
    for _ in range(2):
        with pytest.raises(ReplayError, match=r"entry \d of the journal is gone before it entered"):
            history.backfill(framed(6))
    assert history.store.counts().recent_transactions == 3


def test_counters_that_were_lost_are_begun_where_the_journal_is(history: Journaled) -> None:
    begin(history)
    history.region.history.counters[:] = 0
    history.backfill(framed(4))
    assert history.region.history.contains[0] == history.journal.buffer.next_sequence - 1
    assert history.region.history.journal == history.journal.buffer.journal


@pytest.mark.parametrize("open_until", ["another asks", "the next start"])
def test_what_a_dead_process_left_unanswered_is_answered_from_the_features_that_it_had(
    history: Journaled, fresh: Region, open_until: str
) -> None:
    begin(history)
    entered = history.ask(RequestKind.SCORE_STREAM, [framed(4, 5)])
    assert entered is not None
    history.backfill(framed(10, 11, 12))
    asked = history
    if open_until == "the next start":
        replayed(fresh, history.journal.buffer.journal, history.written())
        asked = Journaled(fresh, history.journal, begins=False)
    again = asked.ask(RequestKind.SCORE_TRANSACTION, [unary(numbered(5)).SerializeToString()])
    assert again is not None
    np.testing.assert_array_equal(again.admitted.features[0], entered.admitted.features[1])
    (score,) = asked.answer(-1)
    assert not score.replayed
    asked.ask(RequestKind.SCORE_TRANSACTION, [unary(numbered(5)).SerializeToString()])
    assert asked.answer(-1)[0].replayed


def writer_at(directory: Path) -> JournalWriter:
    return JournalWriter(directory, buffer_bytes=1 << 20, max_file_bytes=1 << 20, sync_interval_s=0.01)


class Served:
    """A history that one server after the other serves, with a journal in files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.said: list[str] = []

    def serve(self, region: Region, work: Callable[[Journaled], None] = lambda _: None) -> None:
        """Opens the journal beside a region, works, and ends in order."""
        writer = writer_at(self.directory)
        try:
            with structlog.testing.capture_logs() as logs:
                bring_up_to_date(region, writer, READER)
        except BaseException:
            writer.close()
            raise
        self.said = [log["event"] for log in logs]
        journal = SharedJournal(writer.buffer, self.directory, None, to_disk=False, on_change=print)
        writer.start()
        work(Journaled(region, journal, begins=False))
        journal.close()
        writer.close()


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path / "journal")


def test_a_server_that_starts_without_a_history_makes_it_from_the_journal(
    served: Served, region: Region, fresh: Region
) -> None:
    served.serve(region, begin)
    assert served.said == []
    served.serve(region, lambda history: history.backfill(framed(4, 5)))
    assert served.said == []
    served.serve(fresh)
    assert served.said == ["the history is brought up to date from the journal", "the history is up to date"]
    assert words(fresh) == words(region)
    np.testing.assert_array_equal(later_features(fresh), later_features(region))


def test_a_history_that_is_older_than_the_journal_is_brought_up_to_date(
    served: Served, region: Region, fresh: Region
) -> None:
    def leave(history: Journaled) -> None:
        begin(history)
        history.ask(RequestKind.SCORE_STREAM, [framed(4, 5)])
        history.ask(RequestKind.SCORE_STREAM, [framed(6, 5)])
        fresh.memory[:] = region.memory
        history.answer(1, [0])
        history.answer(0)
        history.report([outcome(1, 7, fraud=False)])

    served.serve(region, leave)
    served.serve(fresh)
    assert served.said[-1:] == ["the history is up to date"]
    assert words(fresh) == words(region)


def test_a_replay_that_was_cut_off_goes_on(
    served: Served, region: Region, fresh: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start is killed behind the first transaction, the next one behind the second, and so on."""

    def work(history: Journaled) -> None:
        history.backfill(framed(1, 2))
        history.ask(RequestKind.SCORE_STREAM, [framed(3, 4)])
        history.ask(RequestKind.SCORE_STREAM, [framed(5)])
        history.answer(0)
        history.report([outcome(n, 2, fraud=True) for n in (1, 3, 9)])
        history.ask(RequestKind.SCORE_STREAM, [framed(6, 7)])

    served.serve(region, work)
    memory = fresh.history
    take, report = memory.take_transactions, memory.take_outcomes

    def dies(batch: TransactionBatch, *arguments: Any, **options: Any) -> int:
        if len(batch) == 1:  # the step of the last one tells that all have entered
            return take(batch, *arguments, **options)
        offsets, out, trail = arguments
        one = slice(0, 1)
        take(batch.rows(one), offsets, out[one], trail[one], **options | {"entries": -1})
        raise KeyboardInterrupt

    def dies_reporting(batch: OutcomeBatch, statuses: np.ndarray, *, first: int) -> int:
        if first == len(batch) - 1:
            return report(batch, statuses, first=first)
        report(batch.rows(np.arange(len(batch)) == first), statuses[first : first + 1], entries=-1)
        raise KeyboardInterrupt

    died = 0
    while True:
        with monkeypatch.context() as patch:
            patch.setattr(memory, "take_transactions", dies)
            patch.setattr(memory, "take_outcomes", dies_reporting)
            try:
                served.serve(fresh)
            except KeyboardInterrupt:
                died += 1
                assert died < 20
                continue
            break
    assert died == 6  # in two, three, three and two rows
    assert words(fresh) == words(region)


def test_a_history_of_another_journal_or_ahead_of_this_one_is_made_anew(
    served: Served, tmp_path: Path, region: Region, fresh: Region
) -> None:
    other = Served(tmp_path / "other")
    other.serve(fresh, lambda history: history.backfill(framed(20, 21)))
    served.serve(region, begin)
    served.serve(fresh)
    assert served.said[0] == "the history is not of this journal: it is made anew from the journal"
    assert words(fresh) == words(region)
    fresh.history.belongs_to(fresh.history.journal, 1_000)
    served.serve(fresh)
    assert served.said[0].startswith("the journal has lost entries that the history contains")
    assert words(fresh) == words(region)


def test_a_history_that_is_there_before_its_journal_keeps_what_it_has(served: Served, region: Region) -> None:
    RegionHistory(region).backfill(read(framed(1, 2)).batch)
    served.serve(region, lambda history: history.backfill(framed(2, 3)))
    assert served.said[0].startswith("the journal begins now, and the history has what was before")
    served.serve(region)
    assert served.said == []
    assert region.history.transactions_known() == 3


def test_a_journal_of_an_earlier_release_is_counted_as_it_was_then(
    tmp_path: Path, region: Region, fresh: Region
) -> None:
    write(tmp_path / "journal", framed(1, 2), framed(2, 3))
    Served(tmp_path / "journal").serve(region)
    serial = RegionHistory(fresh)
    serial.backfill(read(framed(1, 2)).batch)
    serial.backfill(read(framed(2, 3)).batch)
    np.testing.assert_array_equal(later_features(region), later_features(fresh))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (entries.admission(RequestKind.BACKFILL, [b"\xff"]), "holds a request that cannot be read"),
        (
            entries.admission(RequestKind.SCORE_STREAM, [frame(numbered(1, bad=True)).SerializeToString()]),
            "holds a transaction that was taken and is refused now: account_id",
        ),
        (entries.admission(RequestKind.REPORT_OUTCOMES, [b"\x0a\x00"]), "holds a report that cannot be read"),
    ],
)
def test_an_entry_that_cannot_enter_again_is_told(fresh: Region, one: bytes, said: str) -> None:
    entry = journal_pb2.Entry.FromString(one)
    entry.sequence = 4
    with pytest.raises(ReplayError, match=f"entry 4 {said}"):
        replayed(fresh, 1, [entry])
