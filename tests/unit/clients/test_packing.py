from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import grpc
import pytest

from clients import (
    Cancelled,
    Client,
    InvalidTransaction,
    KunturError,
    Overloaded,
    PackingScorer,
    Score,
    ShuttingDown,
)
from clients.backoff import Backoff
from tests.fakes.scoring_server import FakeServer, status
from tests.unit.clients.conftest import transactions

LONG = 60.0  # a delay that no test waits out


def frame_sizes(server: FakeServer) -> list[int]:
    return [len(each.transaction_ids) for each in server.arrivals("ScoreStream")]


def eventually(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.005)


def occupy(server: FakeServer, scorer: PackingScorer) -> list[Future[Score]]:
    """Has two frames of one transaction each unanswered, so that what comes next is gathered."""
    server.behaviour.answering.clear()
    futures = []
    for number in range(2):
        futures.append(scorer.submit(transactions(1, 900 + number)[0]))
        eventually(lambda: len(scorer._unsettled) == len(futures))
    return futures


def test_a_lone_transaction_waits_for_nothing(server: FakeServer, client: Client) -> None:
    with PackingScorer(client, max_frame_transactions=1000, max_delay_seconds=LONG) as scorer:
        for number in range(3):
            (transaction,) = transactions(1, number)
            assert scorer.submit(transaction).result(60).transaction_id == f"t-{number}"
        assert frame_sizes(server) == [1, 1, 1]


def test_what_comes_while_two_frames_are_unanswered_goes_together_with_the_next_answer(
    server: FakeServer, client: Client
) -> None:
    with PackingScorer(client, max_frame_transactions=1000, max_delay_seconds=LONG) as scorer:
        first = occupy(server, scorer)
        futures = [scorer.submit(each) for each in transactions(5)]
        time.sleep(0.05)
        assert len(scorer._unsettled) == 2
        server.behaviour.answering.set()
        assert [each.result(60).transaction_id for each in futures] == [f"t-{index}" for index in range(5)]
        assert all(each.result(60) for each in first)
        assert frame_sizes(server) == [1, 1, 5]


def test_a_full_frame_goes_at_once(server: FakeServer, client: Client) -> None:
    with PackingScorer(client, max_frame_transactions=4, max_delay_seconds=LONG) as scorer:
        occupy(server, scorer)
        futures = [scorer.submit(each) for each in transactions(8)]
        eventually(lambda: len(scorer._unsettled) == 4)
        server.behaviour.answering.set()
        assert [each.result(60).transaction_id for each in futures] == [f"t-{index}" for index in range(8)]
        assert frame_sizes(server) == [1, 1, 4, 4]


def test_a_frame_goes_when_its_oldest_has_waited_long_enough(server: FakeServer, client: Client) -> None:
    with PackingScorer(client, max_frame_transactions=1000, max_delay_seconds=0.05) as scorer:
        occupy(server, scorer)
        started_at = time.monotonic()
        futures = [scorer.submit(each) for each in transactions(3)]
        eventually(lambda: len(scorer._unsettled) == 3)
        assert time.monotonic() - started_at >= 0.05
        server.behaviour.answering.set()
        assert all(each.result(60) for each in futures)
        assert frame_sizes(server) == [1, 1, 3]


def test_each_future_gets_its_own_answer_whoever_submits(server: FakeServer, client: Client) -> None:
    server.behaviour.probabilities.update({f"t-{index}": index / 1000 for index in range(1000)})
    with PackingScorer(client, max_frame_transactions=16, max_delay_seconds=0.001) as scorer:

        def submit_all(first: int) -> list[Score]:
            return [each.result(30) for each in [scorer.submit(tx) for tx in transactions(100, first)]]

        with ThreadPoolExecutor(10) as pool:
            scored = [score for part in pool.map(submit_all, range(0, 1000, 100)) for score in part]
    assert [(each.transaction_id, each.fraud_probability) for each in scored] == [
        (f"t-{index}", index / 1000) for index in range(1000)
    ]
    arrived = [each for arrival in server.arrivals("ScoreStream") for each in arrival.transaction_ids]
    for first in range(0, 1000, 100):  # each thread's transactions arrive in the order it submitted them
        mine = [each for each in arrived if first <= int(each[2:]) < first + 100]
        assert mine == [f"t-{index}" for index in range(first, first + 100)]


def test_the_error_of_one_item_fails_its_future_alone(server: FakeServer, client: Client) -> None:
    server.behaviour.refused["t-1"] = status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    with PackingScorer(client, max_frame_transactions=3, max_delay_seconds=LONG) as scorer:
        futures = [scorer.submit(each) for each in transactions(3)]
        assert isinstance(futures[1].exception(60), InvalidTransaction)
        assert [futures[0].result(60).transaction_id, futures[2].result(60).transaction_id] == ["t-0", "t-2"]


def test_submit_blocks_while_too_much_is_on_its_way(server: FakeServer, client: Client) -> None:
    server.behaviour.answering.clear()
    scorer = PackingScorer(client, max_frame_transactions=2, max_delay_seconds=LONG, max_in_flight_frames=2)
    submitted: list[Future[Score]] = []

    def submit_all() -> None:
        for transaction in transactions(30):
            submitted.append(scorer.submit(transaction))

    occupy(server, scorer)
    submitter = threading.Thread(target=submit_all)
    submitter.start()
    # Two frames in flight, one that waits for its turn, one being gathered.
    eventually(lambda: len(submitted) == 4)
    time.sleep(0.1)
    assert len(submitted) == 4
    server.behaviour.answering.set()
    submitter.join(60)
    assert [each.result(60).transaction_id for each in submitted] == [f"t-{index}" for index in range(30)]
    scorer.close()


def test_a_broken_stream_fails_what_was_on_its_way_and_the_next_opens_a_new_one(
    server: FakeServer, client: Client
) -> None:
    server.behaviour.frames_until_break = 1
    with PackingScorer(client, max_frame_transactions=2, max_delay_seconds=LONG) as scorer:
        first = [scorer.submit(each) for each in transactions(2)]
        assert [each.result(60).transaction_id for each in first] == ["t-0", "t-1"]
        lost = [scorer.submit(each) for each in transactions(2, 2)]
        assert all(isinstance(each.exception(60), ShuttingDown) for each in lost)
        again = [scorer.submit(each) for each in transactions(2, 2)]
        assert [each.result(60).transaction_id for each in again] == ["t-2", "t-3"]
        assert server.stream_count == 2


def test_a_server_that_takes_no_stream_is_asked_again_after_pauses_that_grow(
    server: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float | None] = []

    class Noted(Backoff):
        def after_failure(self, asked_for_seconds: float | None = None) -> float:
            pauses.append(asked_for_seconds)
            return 0.0

        def succeeded(self) -> None:
            pauses.clear()

    monkeypatch.setattr("clients.sync.packing.Backoff", Noted)
    refusal = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_after_ms=250)
    server.behaviour.failures["ScoreStream"] = [refusal, refusal, status(grpc.StatusCode.CANCELLED)]
    server.behaviour.frames_until_break = 1
    with PackingScorer(client, max_frame_transactions=1, max_delay_seconds=0) as scorer:
        # A refusal that is known before its frame goes costs no frame: at most three fail.
        while error := scorer.submit(transactions(1)[0]).exception(60):
            assert isinstance(error, Overloaded)
        assert pauses == [0.25, 0.25, None]
        # Once a stream has answered, the next is opened at once.
        while scorer.submit(transactions(1)[0]).exception(60) is not None:
            pass
        assert server.stream_count == 5
        assert pauses == []


def test_a_pause_ends_when_the_scorer_closes(
    server: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = threading.Event()

    def after_failure(*_: object) -> float:
        paused.set()
        return 3_600.0

    monkeypatch.setattr("clients.sync.packing.Backoff.after_failure", after_failure)
    server.behaviour.failures["ScoreStream"] = [status(grpc.StatusCode.CANCELLED)]
    scorer = PackingScorer(client, max_frame_transactions=1, max_delay_seconds=0)
    waiting = scorer.submit(transactions(1)[0])
    # The refusal comes before the frame goes, which then waits for the pause to end, or after: it fails.
    while not paused.is_set():
        if waiting.done():
            assert isinstance(waiting.exception(), Overloaded)
            waiting = scorer.submit(transactions(1, 1)[0])
            assert paused.wait(60)
        time.sleep(0.001)
    scorer.close(60)
    assert waiting.result(0).transaction_id in ("t-0", "t-1")


def test_every_future_is_settled_however_often_streams_break(server: FakeServer, client: Client) -> None:
    server.behaviour.frames_until_break = 3
    with PackingScorer(
        client, max_frame_transactions=4, max_delay_seconds=0.001, max_in_flight_frames=2
    ) as scorer:
        with ThreadPoolExecutor(4) as pool:
            parts = pool.map(
                lambda first: [scorer.submit(each) for each in transactions(200, first)], range(0, 800, 200)
            )
            futures = [future for part in parts for future in part]
        errors = [each.exception(30) for each in futures]
    answered = [future for future, error in zip(futures, errors, strict=True) if error is None]
    assert all(error is None or isinstance(error, ShuttingDown) for error in errors)
    assert answered
    assert len(answered) < 800


def test_a_server_that_is_gone_fails_futures_and_not_the_scorer(client: Client, server: FakeServer) -> None:
    server.__exit__(None, None, None)
    with PackingScorer(client, max_frame_transactions=1, max_delay_seconds=0) as scorer:
        for transaction in transactions(3):
            assert isinstance(scorer.submit(transaction).exception(60), KunturError)


def test_flush_does_not_wait_for_the_delay(server: FakeServer, client: Client) -> None:
    with PackingScorer(client, max_frame_transactions=100, max_delay_seconds=LONG) as scorer:
        futures = [scorer.submit(each) for each in transactions(5)]
        assert scorer.flush(10)
        assert all(each.done() for each in futures)
        assert frame_sizes(server) == [5]


def test_flush_says_when_its_time_was_not_enough(server: FakeServer, client: Client) -> None:
    server.behaviour.answering.clear()
    with PackingScorer(client, max_delay_seconds=LONG) as scorer:
        scorer.submit(transactions(1)[0])
        assert not scorer.flush(0.05)
        server.behaviour.answering.set()


def test_close_sends_what_is_gathered_and_waits_for_it(server: FakeServer, client: Client) -> None:
    scorer = PackingScorer(client, max_frame_transactions=4, max_delay_seconds=LONG)
    futures = [scorer.submit(each) for each in transactions(6)]
    scorer.close()
    assert [each.result(0).transaction_id for each in futures] == [f"t-{index}" for index in range(6)]
    with pytest.raises(RuntimeError, match="closed"):
        scorer.submit(transactions(1)[0])
    scorer.close()


def test_close_gives_up_on_a_server_that_does_not_answer(server: FakeServer, client: Client) -> None:
    server.behaviour.answering.clear()
    scorer = PackingScorer(client, max_frame_transactions=1, max_delay_seconds=0, max_in_flight_frames=2)
    futures: list[Future[Score]] = []
    refused: list[Exception] = []

    def submit_all() -> None:
        try:
            for transaction in transactions(10):
                futures.append(scorer.submit(transaction))
        except RuntimeError as error:
            refused.append(error)

    submitter = threading.Thread(target=submit_all)
    submitter.start()
    eventually(lambda: len(futures) == 4)
    scorer.close(timeout_seconds=0.1)
    submitter.join(60)
    assert len(refused) == 1
    assert [type(each.exception(0)) for each in futures] == [Cancelled] * 4


def test_a_callback_may_submit_again(server: FakeServer, client: Client) -> None:
    chained: list[Future[Score]] = []
    with PackingScorer(
        client, max_frame_transactions=1, max_delay_seconds=0, max_in_flight_frames=1
    ) as scorer:

        def submit_next(done: Future[Score]) -> None:
            number = int(done.result().transaction_id[2:])
            if number < 1000:
                for offset in (1000, 2000):
                    chained.append(scorer.submit(transactions(1, number + offset)[0]))

        for transaction in transactions(20):
            scorer.submit(transaction).add_done_callback(submit_next)
        eventually(lambda: len(chained) == 40)
        scorer.flush(10)
        assert (
            sorted(int(each.result(60).transaction_id[2:]) // 1000 for each in chained) == [1] * 20 + [2] * 20
        )


def test_a_callback_may_submit_again_after_a_failure_before_sending(
    server: FakeServer, client: Client
) -> None:
    client.close()  # no stream can be opened: the thread that cuts frames tells the futures
    chained: list[Future[Score]] = []
    with PackingScorer(client, max_frame_transactions=1, max_delay_seconds=0) as scorer:
        for index, transaction in enumerate(transactions(50)):
            again = transactions(1, 1000 + index)[0]
            scorer.submit(transaction).add_done_callback(
                lambda _, again=again: chained.append(scorer.submit(again))
            )
        eventually(lambda: len(chained) == 50)
        scorer.flush(10)
        assert all(each.exception(60) is not None for each in chained)


def test_a_callback_that_would_wait_for_itself_is_told_so(client: Client) -> None:
    told: list[str] = []
    with PackingScorer(client, max_delay_seconds=0) as scorer:

        def flush(_: Future[Score]) -> None:
            try:
                scorer.flush()
            except RuntimeError as error:
                told.append(str(error))

        scorer.submit(transactions(1)[0]).add_done_callback(flush)
        eventually(lambda: len(told) == 1)


def test_a_future_cancelled_in_time_is_not_sent(server: FakeServer, client: Client) -> None:
    with PackingScorer(client, max_frame_transactions=3, max_delay_seconds=LONG) as scorer:
        futures = [scorer.submit(each) for each in transactions(2)]
        assert futures[0].cancel()
        futures.append(scorer.submit(transactions(1, 2)[0]))
        assert futures[2].result(60).transaction_id == "t-2"
        assert [each.transaction_ids for each in server.arrivals("ScoreStream")] == [("t-1", "t-2")]
        assert not futures[1].cancel()
