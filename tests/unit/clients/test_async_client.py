from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import grpc
import pytest

from clients import (
    AsyncClient,
    AsyncPackingScorer,
    Cancelled,
    ClientConfig,
    InvalidTransaction,
    ItemError,
    NoLiveModel,
    Outcome,
    OutcomeLabel,
    Overloaded,
    Score,
    ShuttingDown,
    TransactionNotFound,
)
from kuntur.transaction import Transaction
from tests.fakes.scoring_server import FakeServer, status
from tests.unit.clients.conftest import START, transactions

LONG = 60.0  # a delay that no test waits out

Answer = TypeVar("Answer")


def run(config: ClientConfig, story: Callable[[AsyncClient], Awaitable[Answer]]) -> Answer:
    async def told() -> Answer:
        async with AsyncClient(config=config) as client:
            return await asyncio.wait_for(story(client), 30)

    return asyncio.run(told())


def test_unary_calls_answer_as_the_sync_client_does(server: FakeServer, config: ClientConfig) -> None:
    async def story(client: AsyncClient) -> None:
        assert (await client.score(transactions(1)[0])).transaction_id == "t-0"
        assert [each.model_version for each in await client.models()] == ["m-1"]
        assert await client.model("m-1") == await client.live_model()
        assert (await client.wait_until_ready(5)).model_version == "m-1"
        assert (await client.backfill(transactions(3))).accepted_count == 2
        report = await client.report_outcomes(
            [Outcome(f"t-{index}", OutcomeLabel.FRAUD, START) for index in (0, 9)]
        )
        assert report.accepted_count == 1
        assert isinstance(report.failures[0].error, TransactionNotFound)

    run(config, story)


def test_errors_are_those_of_the_sync_client(server: FakeServer, config: ClientConfig) -> None:
    server.behaviour.models.clear()
    server.behaviour.always["ScoreTransaction"] = status(
        grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", violations=(("amount_minor", "above 0"),)
    )

    async def story(client: AsyncClient) -> None:
        with pytest.raises(NoLiveModel):
            await client.wait_until_ready(2)
        with pytest.raises(InvalidTransaction) as caught:
            await client.score(transactions(1)[0])
        assert caught.value.violations[0].field == "amount_minor"

    run(config, story)


def test_a_stream_answers_in_order_from_any_kind_of_iterable(
    server: FakeServer, config: ClientConfig
) -> None:
    server.behaviour.refused["t-3"] = status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")

    async def trickle() -> AsyncIterator[Transaction]:
        for transaction in transactions(20):
            await asyncio.sleep(0)
            yield transaction

    async def story(client: AsyncClient) -> None:
        answers = await client.score_many(transactions(20), frame_transactions=3, max_in_flight_frames=2)
        assert [each.transaction_id for each in answers] == [f"t-{index}" for index in range(20)]
        assert [isinstance(each, ItemError) for each in answers] == [index == 3 for index in range(20)]
        again = [each.transaction_id async for each in client.score_stream(trickle(), frame_transactions=3)]
        assert again == [f"t-{index}" for index in range(20)]

    run(config, story)


def test_a_broken_stream_raises_its_error(server: FakeServer, config: ClientConfig) -> None:
    server.behaviour.frames_until_break = 2

    async def story(client: AsyncClient) -> None:
        with pytest.raises(ShuttingDown):
            await client.score_many(transactions(20), frame_transactions=4)

    run(config, story)


@pytest.mark.parametrize("end_unasked", [False, True])
def test_answers_that_came_before_the_stream_broke_are_given_though_no_more_can_be_sent(
    server: FakeServer, config: ClientConfig, end_unasked: bool
) -> None:
    server.behaviour.frames_until_break = 3 if end_unasked else 2
    server.behaviour.end_unasked = end_unasked
    server.behaviour.answering.clear()

    async def source() -> AsyncIterator[Transaction]:
        for transaction in transactions(12):
            yield transaction
        server.behaviour.answering.set()
        await asyncio.wait([each for each in asyncio.all_tasks() if each.get_name() == "kuntur-frames"])
        for transaction in transactions(8, first=12):
            yield transaction

    async def story(client: AsyncClient) -> None:
        got: list[str] = []

        async def gather() -> None:
            async for each in client.score_stream(source(), frame_transactions=4):
                got.append(each.transaction_id)

        with pytest.raises(ShuttingDown):
            await gather()
        assert got == [f"t-{index}" for index in range(12 if end_unasked else 8)]

    run(config, story)


@pytest.mark.parametrize("count", [0, -1])
def test_no_frames_below_one(server: FakeServer, config: ClientConfig, count: int) -> None:
    async def story(client: AsyncClient) -> None:
        for name in ("frame_transactions", "max_in_flight_frames"):
            with pytest.raises(ValueError, match=f"{name} is at least 1, not {count}"):
                client.score_stream(transactions(3), **{name: count})
            with pytest.raises(ValueError, match=f"{name} is at least 1, not {count}"):
                await client.score_many(transactions(3), **{name: count})
        with pytest.raises(ValueError, match=f"frame_transactions is at least 1, not {count}"):
            await client.backfill(transactions(3), frame_transactions=count)

    run(config, story)
    assert server.arrivals() == []


def test_a_closed_client_says_that_a_call_is_cancelled(server: FakeServer, config: ClientConfig) -> None:
    async def story(client: AsyncClient) -> None:
        await client.close()
        with pytest.raises(Cancelled, match="The client is closed"):
            await client.score(transactions(1)[0])
        with pytest.raises(Cancelled, match="The client is closed"):
            await client.score_many(transactions(1))
        with pytest.raises(Cancelled, match="The client is closed"):
            await client.backfill(transactions(1))
        with pytest.raises(Cancelled, match="The client is closed"):
            client.frame_stream()

    run(config, story)


def test_closing_cancels_an_open_call_and_not_the_task_that_waits_for_it(
    server: FakeServer, config: ClientConfig
) -> None:
    server.behaviour.answering.clear()

    async def story(client: AsyncClient) -> None:
        waiting = asyncio.create_task(client.score(transactions(1)[0]))
        while not server.arrivals("ScoreTransaction"):
            await asyncio.sleep(0.001)
        await client.close()
        with pytest.raises(Cancelled, match="The client is closed"):
            await waiting

    run(config, story)


def test_a_task_that_is_cancelled_stays_cancelled_though_the_client_closes(
    server: FakeServer, config: ClientConfig
) -> None:
    server.behaviour.answering.clear()

    async def story(client: AsyncClient) -> None:
        waiting = asyncio.create_task(client.score(transactions(1)[0]))
        while not server.arrivals("ScoreTransaction"):
            await asyncio.sleep(0.001)
        waiting.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(config, story)


async def occupy(server: FakeServer, scorer: AsyncPackingScorer) -> list[asyncio.Future[Score]]:
    """Has two frames of one transaction each unanswered, so that what comes next is gathered."""
    server.behaviour.answering.clear()
    futures = []
    for number in range(2):
        futures.append(await scorer.submit(transactions(1, 900 + number)[0]))
        while scorer._unanswered < len(futures):
            await asyncio.sleep(0.005)
    return futures


def test_a_lone_transaction_waits_for_nothing(server: FakeServer, config: ClientConfig) -> None:
    async def story(client: AsyncClient) -> None:
        async with AsyncPackingScorer(client, max_delay_seconds=LONG) as scorer:
            for each in transactions(3):
                assert (await scorer.score(each)).transaction_id == each.transaction_id

    run(config, story)
    assert [len(each.transaction_ids) for each in server.arrivals("ScoreStream")] == [1, 1, 1]


def test_packing_is_by_size_and_by_time_while_two_frames_are_unanswered(
    server: FakeServer, config: ClientConfig
) -> None:
    async def story(client: AsyncClient) -> None:
        async with AsyncPackingScorer(client, max_frame_transactions=4, max_delay_seconds=0.05) as scorer:
            await occupy(server, scorer)
            futures = [await scorer.submit(each) for each in transactions(10)]
            while scorer._unanswered < 5:
                await asyncio.sleep(0.005)
            server.behaviour.answering.set()
            scores = [await each for each in futures]
        assert [each.transaction_id for each in scores] == [f"t-{index}" for index in range(10)]

    run(config, story)
    assert [len(each.transaction_ids) for each in server.arrivals("ScoreStream")] == [1, 1, 4, 4, 2]


def test_an_answer_has_what_was_gathered_go(server: FakeServer, config: ClientConfig) -> None:
    async def story(client: AsyncClient) -> None:
        async with AsyncPackingScorer(client, max_delay_seconds=LONG) as scorer:
            await occupy(server, scorer)
            futures = [await scorer.submit(each) for each in transactions(5)]
            await asyncio.sleep(0.05)
            assert scorer._unanswered == 2
            server.behaviour.answering.set()
            assert [(await each).transaction_id for each in futures] == [f"t-{index}" for index in range(5)]

    run(config, story)
    assert [len(each.transaction_ids) for each in server.arrivals("ScoreStream")] == [1, 1, 5]


def test_submit_waits_while_too_much_is_on_its_way(server: FakeServer, config: ClientConfig) -> None:
    async def story(client: AsyncClient) -> None:
        scorer = AsyncPackingScorer(
            client, max_frame_transactions=2, max_delay_seconds=LONG, max_in_flight_frames=2
        )
        await occupy(server, scorer)
        tasks = [asyncio.create_task(scorer.submit(each)) for each in transactions(30)]
        async with asyncio.timeout(60):
            while sum(each.done() for each in tasks) < 4:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        # Two frames in flight, one that waits for its turn, one being gathered.
        assert sum(each.done() for each in tasks) == 4
        server.behaviour.answering.set()
        scores = [await (await each) for each in tasks]
        assert [each.transaction_id for each in scores] == [f"t-{index}" for index in range(30)]
        await scorer.close()

    run(config, story)


def test_a_broken_stream_fails_its_futures_and_the_next_opens_a_new_one(
    server: FakeServer, config: ClientConfig
) -> None:
    server.behaviour.frames_until_break = 1
    server.behaviour.refused["t-1"] = status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")

    async def story(client: AsyncClient) -> None:
        async with AsyncPackingScorer(client, max_frame_transactions=2, max_delay_seconds=LONG) as scorer:
            first = [await scorer.submit(each) for each in transactions(2)]
            await scorer.flush()
            assert first[0].result().transaction_id == "t-0"
            assert isinstance(first[1].exception(), InvalidTransaction)
            lost = [await scorer.submit(each) for each in transactions(2, 2)]
            await scorer.flush()
            assert [type(each.exception()) for each in lost] == [ShuttingDown] * 2
            again = [await scorer.submit(each) for each in transactions(1, 2)]
            await scorer.flush()
            assert again[0].result().transaction_id == "t-2"

    run(config, story)
    assert server.stream_count == 2


def test_awaited_scorers_pause_too_and_no_longer_than_until_they_close(
    server: FakeServer, config: ClientConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[object] = []

    def after_failure(*asked_for: object) -> float:
        paused.append(asked_for)
        return 3_600.0

    monkeypatch.setattr("clients.aio.packing.Backoff.after_failure", after_failure)
    server.behaviour.failures["ScoreStream"] = [status(grpc.StatusCode.CANCELLED)]

    async def story(client: AsyncClient) -> None:
        async with AsyncPackingScorer(client, max_frame_transactions=1, max_delay_seconds=0) as scorer:
            waiting = await scorer.submit(transactions(1)[0])
            # The refusal comes before the frame goes, which then waits for the pause to end, or after it.
            while not paused:
                if waiting.done():
                    assert isinstance(waiting.exception(), Overloaded)
                    waiting = await scorer.submit(transactions(1, 1)[0])
                await asyncio.sleep(0.001)
        assert waiting.result().transaction_id in ("t-0", "t-1")

    run(config, story)


def test_a_caller_that_gives_up_leaves_the_others_their_answers(
    server: FakeServer, config: ClientConfig
) -> None:
    server.behaviour.answering.clear()

    async def story(client: AsyncClient) -> None:
        async with AsyncPackingScorer(client, max_frame_transactions=2, max_delay_seconds=LONG) as scorer:
            impatient = asyncio.create_task(scorer.score(transactions(1)[0]))
            patient = asyncio.create_task(scorer.score(transactions(1, 1)[0]))
            await asyncio.sleep(0.1)
            impatient.cancel()
            server.behaviour.answering.set()
            assert (await patient).transaction_id == "t-1"

    run(config, story)


def test_close_drains_and_then_refuses(server: FakeServer, config: ClientConfig) -> None:
    async def story(client: AsyncClient) -> None:
        scorer = AsyncPackingScorer(client, max_frame_transactions=4, max_delay_seconds=LONG)
        futures = [await scorer.submit(each) for each in transactions(6)]
        await scorer.close()
        assert [each.result().transaction_id for each in futures] == [f"t-{index}" for index in range(6)]
        with pytest.raises(RuntimeError, match="closed"):
            await scorer.submit(transactions(1)[0])

    run(config, story)


def test_close_gives_up_on_a_server_that_does_not_answer(server: FakeServer, config: ClientConfig) -> None:
    server.behaviour.answering.clear()

    async def story(client: AsyncClient) -> None:
        scorer = AsyncPackingScorer(
            client, max_frame_transactions=1, max_delay_seconds=0, max_in_flight_frames=2
        )
        futures = [await scorer.submit(each) for each in transactions(4)]
        await scorer.close(timeout_seconds=0.1)
        assert [type(each.exception()) for each in futures] == [Cancelled] * 4

    run(config, story)
