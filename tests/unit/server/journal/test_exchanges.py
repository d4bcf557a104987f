from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.rpc import error_details_pb2, status_pb2

from kuntur.api.v1 import history_service_pb2, outcome_service_pb2, scoring_service_pb2
from kuntur.journal.exchanges import Exchange, pairing, read_exchanges
from kuntur.journal.file import CorruptJournalError, JournalFileWriter, TornTailError, journal_files
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.v1.journal_pb2 import (
    REQUEST_KIND_BACKFILL,
    REQUEST_KIND_REPORT_OUTCOMES,
    REQUEST_KIND_SCORE_STREAM,
    REQUEST_KIND_SCORE_TRANSACTION,
)
from tests.support.journals import admission, answer, append

CALL = REQUEST_KIND_SCORE_TRANSACTION


def write(directory: Path, *entries: journal_pb2.Entry) -> None:
    writer = JournalFileWriter(directory)
    append(writer, entries)
    writer.close()


def pairs(directory: Path) -> list[tuple[bytes, bytes | None]]:
    return [(each.request, each.response) for each in read_exchanges(directory)]


def frame(count: int) -> bytes:
    request = scoring_service_pb2.ScoreStreamRequest()
    for number in range(count):
        request.transactions.add(transaction_id=f"t{number}")
    raw: bytes = request.SerializeToString()
    return raw


def old(field: str, request: bytes, response: bytes, time_ns: int) -> journal_pb2.Entry:
    exchange = journal_pb2.Exchange(request=request, response=response)
    entry = journal_pb2.Entry(**{field: exchange})  # type: ignore[arg-type]
    entry.written_time.FromNanoseconds(time_ns)
    return entry


def test_a_request_comes_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        admission(CALL, b"q1", b"q2", refused=[1], callers=["ana", "luz"], time_ns=1_500),
        answer(1, b"a1", b""),
    )
    assert list(read_exchanges(tmp_path)) == [
        Exchange(CALL, b"q1", b"a1", (), "ana", 1_500, sequence=1, place=0, answer=2),
        Exchange(CALL, b"q2", b"", (0,), "luz", 1_500, sequence=1, place=1, answer=2),
    ]


def test_the_order_is_that_of_the_admissions_whatever_was_answered_first(tmp_path: Path) -> None:
    write(
        tmp_path,
        admission(CALL, b"q1"),
        admission(CALL, b"q2"),
        answer(2, b"a2"),
        admission(CALL, b"q4"),
        answer(4, b"a4"),
        answer(1, b"a1"),
    )
    assert pairs(tmp_path) == [(b"q1", b"a1"), (b"q2", b"a2"), (b"q4", b"a4")]


def test_what_was_never_answered_comes_without_a_response(tmp_path: Path) -> None:
    write(tmp_path, admission(CALL, b"q1"), admission(CALL, b"q2", b"q3"))
    write(tmp_path, admission(CALL, b"q4"), answer(3, b"a4"))
    assert pairs(tmp_path) == [(b"q1", None), (b"q2", None), (b"q3", None), (b"q4", b"a4")]
    assert {each.answer for each in read_exchanges(tmp_path)} == {0, 4}


def test_a_backfill_is_never_waited_for(tmp_path: Path) -> None:
    write(tmp_path, admission(REQUEST_KIND_BACKFILL, frame(2), refused=[0]), admission(CALL, b"q"))
    exchanges = read_exchanges(tmp_path)
    assert next(exchanges).refused == (0,)


def test_refused_places_are_counted_within_each_request(tmp_path: Path) -> None:
    sizes = (2, 0, 3, 1)
    write(
        tmp_path,
        admission(REQUEST_KIND_SCORE_STREAM, *map(frame, sizes), refused=[0, 1, 3, 4]),
        admission(REQUEST_KIND_SCORE_STREAM, frame(4), refused=[2, 3]),
        admission(REQUEST_KIND_REPORT_OUTCOMES, b"", refused=[7]),
    )
    found = [each.refused for each in read_exchanges(tmp_path)]
    assert found == [(0, 1), (), (1, 2), (), (2, 3), (7,)]


def test_entries_of_earlier_versions_come_first_and_in_the_order_of_their_time(tmp_path: Path) -> None:
    write(tmp_path, old("backfill", b"", b"", 20), admission(CALL, b"new", time_ns=5), answer(2, b"a"))
    write(tmp_path / "worker-0", old("score_transaction", b"q1", b"a1", 10))
    write(tmp_path / "worker-1", old("score_transaction", b"q3", b"a3", 30))
    assert pairs(tmp_path) == [(b"q1", b"a1"), (b"", b""), (b"q3", b"a3"), (b"new", b"a")]


def test_entries_of_earlier_versions_tell_what_was_refused_by_their_response(tmp_path: Path) -> None:
    response = scoring_service_pb2.ScoreStreamResponse()
    response.results.add().score.transaction_id = "t0"
    response.results.add().status.CopyFrom(status_pb2.Status(code=3))
    counted = response.results.add().status
    counted.code = 13
    counted.details.add().Pack(error_details_pb2.ErrorInfo(reason="MODEL_VALUE_INVALID"))
    backfill = history_service_pb2.BackfillResponse()
    backfill.failures.add(index=4)
    outcomes = outcome_service_pb2.ReportOutcomesResponse()
    outcomes.failures.add(index=1)
    write(
        tmp_path,
        old("score_stream", frame(3), response.SerializeToString(), 1),
        old("backfill", frame(5), backfill.SerializeToString(), 2),
        old("report_outcomes", b"", outcomes.SerializeToString(), 3),
        old("score_transaction", b"q", b"", 4),
    )
    found = [(each.kind, each.refused, each.written_time_ns) for each in read_exchanges(tmp_path)]
    assert found == [
        (REQUEST_KIND_SCORE_STREAM, (1,), 1),
        (REQUEST_KIND_BACKFILL, (4,), 2),
        (REQUEST_KIND_REPORT_OUTCOMES, (1,), 3),
        (REQUEST_KIND_SCORE_TRANSACTION, (), 4),
    ]


def test_reading_may_begin_anywhere(tmp_path: Path) -> None:
    write(tmp_path / "worker-0", old("score_transaction", b"old", b"a", 10))
    write(tmp_path, admission(CALL, b"q1"), admission(CALL, b"q2"))
    write(tmp_path, answer(1, b"a1"), answer(2, b"a2"), admission(CALL, b"q5"))
    assert [each.request for each in read_exchanges(tmp_path, first=2)] == [b"q2", b"q5"]
    assert [each.request for each in read_exchanges(tmp_path, first=4)] == [b"q5"]


def test_all_that_was_read_comes_before_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, admission(CALL, b"q1"), admission(CALL, b"q2"), answer(2, b"a2"), answer(1, b"a1"))
    (path,) = journal_files(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    found = []
    with pytest.raises(TornTailError):
        found.extend(collected(read_exchanges(tmp_path), found))
    assert found == [(b"q1", None), (b"q2", b"a2")]


def collected(
    exchanges: Iterator[Exchange], found: list[tuple[bytes, bytes | None]]
) -> list[tuple[bytes, bytes | None]]:
    for each in exchanges:
        found.append((each.request, each.response))
    return []


def test_an_answer_that_does_not_fit_its_admission_is_told(tmp_path: Path) -> None:
    write(tmp_path, admission(CALL, b"q1", b"q2"), answer(1, b"a1"))
    with pytest.raises(CorruptJournalError, match="entry 1 and the answer to it do not go together"):
        list(read_exchanges(tmp_path))


def test_an_answer_without_its_admission_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, admission(CALL, b"q1"), answer(1, b"a1"))
    write(tmp_path, answer(1, b"again"), answer(99, b"never"), admission(CALL, b"q5"))
    assert pairs(tmp_path) == [(b"q1", b"a1"), (b"q5", None)]
    journal_files(tmp_path)[0].unlink()
    assert pairs(tmp_path) == [(b"q5", None)]


def test_little_waits_behind_an_admission_that_has_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing, "_MOST_WAITING_BYTES", 20 << 10)
    lines = []
    real = pairing._Waiting.admit

    def admit(waiting: pairing._Waiting, entry: journal_pb2.Entry) -> None:
        real(waiting, entry)
        lines.append(len(waiting._line))

    monkeypatch.setattr(pairing._Waiting, "admit", admit)
    entries = [admission(CALL, b"dead")]
    for number in range(2, 402, 2):
        entries += [admission(CALL, b"%d" % number), answer(number, b"a%d" % number)]
    entries[299:299] = [admission(CALL, b"dead too")] * 1
    for place, entry in enumerate(entries, 1):  # the one in between moved those behind it
        if entry.WhichOneof("exchange") == "answer" and place > 299:
            entry.answer.admission = place - 1
    write(tmp_path, *entries)
    found = pairs(tmp_path)
    assert max(lines) < 25
    assert [request for request, response in found if response is None] == [b"dead", b"dead too"]
    assert len(found) == 202
    assert all(response == b"a" + request for request, response in found if response is not None)
