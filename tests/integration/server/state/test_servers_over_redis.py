"""Two whole servers over one Redis: the same accounts through both, and Redis going away under them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from kuntur.api.v1 import outcome_pb2, outcome_service_pb2, score_pb2
from kuntur.values import time_to_proto
from tests.support.bundles import publish
from tests.support.programs.redis import RedisServer, redis_server
from tests.support.serving import (
    EVENT_TIME,
    RunningServer,
    failure,
    frame,
    running_server,
    transaction,
    unary,
)

_FEATURES = ("account_total_count", "merchant_count_1h", "account_fraud_count", "account_usual_amount")
_WEIGHTS = (0.01, 0.003, 0.5, 0.000_01)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registry")
    publish(folder, "m-1", weights=_WEIGHTS, bias=-1.0, features=_FEATURES)
    return folder


@pytest.fixture
def pair(redis: RedisServer, registry: Path) -> Iterator[list[RunningServer]]:
    redis.client().flushall()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                running_server(registry, history={"store": "redis"}, redis={"url": redis.url})
            )
            for _ in range(2)
        ]
        for server in servers:
            server.wait_until_live("m-1")
        yield servers


def score(server: RunningServer, number: int) -> score_pb2.Score:
    """Scores a transaction of one of three accounts by number."""
    message = transaction(
        f"t-{number}",
        account_id=f"a-{number % 3}",
        amount_minor=1_000 + number,
        event_time=EVENT_TIME + timedelta(minutes=number),
    )
    return server.stubs.scoring.ScoreTransaction(unary(message)).score


def report(server: RunningServer, number: int) -> None:
    """Reports a transaction as fraud, an hour after it."""
    outcome = outcome_pb2.Outcome(
        transaction_id=f"t-{number}",
        label=outcome_pb2.OUTCOME_LABEL_FRAUD,
        reported_time=time_to_proto(EVENT_TIME + timedelta(minutes=number + 60)),
    )
    server.stubs.outcomes.ReportOutcomes(outcome_service_pb2.ReportOutcomesRequest(outcomes=[outcome]))


def test_the_same_accounts_through_both_get_the_scores_that_one_server_gives(
    pair: list[RunningServer], registry: Path
) -> None:
    def course(servers: list[RunningServer]) -> list[float]:
        found = []
        for number in range(150):
            found.append(score(servers[number % 2], number).fraud_probability)
            if number % 10 == 0:
                report(servers[(number + 1) % 2], number)
        return found

    with running_server(registry) as alone:
        alone.wait_until_live("m-1")
        expected = course([alone, alone])
    assert course(pair) == expected
    assert len(set(expected)) > 100


def test_calls_and_frames_to_both_at_once_lose_no_transaction(pair: list[RunningServer]) -> None:
    def single_calls(server: RunningServer, first: int) -> None:
        for number in range(first, first + 60):
            score(server, 3 * number)

    def frames(server: RunningServer, first: int) -> None:
        def requests() -> Iterator[object]:
            for start in range(first, first + 64 * 8, 64):
                yield frame(*(transaction(f"t-{3 * n}", account_id="a-0") for n in range(start, start + 64)))

        assert len(list(server.stubs.scoring.ScoreStream(requests()))) == 8

    work = [(single_calls, 0), (single_calls, 1_000), (frames, 2_000), (frames, 3_000)]
    threads = [
        threading.Thread(target=act, args=(pair[place % 2], first)) for place, (act, first) in enumerate(work)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for server in pair:
        counts = server.app.history.counts()
        assert (counts.entities["account"], counts.recent_transactions, counts.repeated) == (1, 1_144, 0)


def test_redis_going_away_is_unavailable_with_a_hint_and_all_is_well_when_it_is_back(
    redis: RedisServer, pair: list[RunningServer]
) -> None:
    before = score(pair[0], 1).fraud_probability
    redis.kill()
    with pytest.raises(grpc.RpcError) as caught:
        score(pair[0], 4)
    opened = failure(caught.value)
    assert (opened.code, opened.reason, opened.retried) == (14, "HISTORY_UNAVAILABLE", True)
    assert str(redis.port) not in opened.message
    assert pair[0].stubs.health_of() == "SERVING"
    redis.start()
    assert score(pair[1], 4).fraud_probability > before
