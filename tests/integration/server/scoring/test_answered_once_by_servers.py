"""Servers that share a history in Redis answer once: twins, a killed server, damage, and Redis going away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from kuntur.api.v1 import score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.journal.exchanges import read_exchanges
from tests.integration.server.scoring.test_answered_once import known, streamed, without_mark
from tests.support.bundles import publish
from tests.support.programs.redis import PATIENT, RedisServer, redis_server
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import (
    EVENT_TIME,
    RunningServer,
    failure,
    frame,
    running_server,
    stubs_for,
    transaction,
    unary,
    wait_until,
)

_FEATURES = ("account_total_count", "merchant_count_1h", "account_usual_amount")
_WEIGHTS = (0.2, 0.05, 0.000_01)
_SERVE_UNANSWERING = """
import sys, time
from server.cli.app import main
from server.state.redis.first import FirstAnswers

def keep(*_):
    print("counted", file=sys.stderr, flush=True)
    time.sleep(3600)

FirstAnswers.keep = keep
main()
"""


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
def pair(redis: RedisServer, registry: Path, tmp_path: Path) -> Iterator[list[RunningServer]]:
    redis.client().flushall()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                running_server(
                    registry,
                    history={"store": "redis"},
                    redis={"url": redis.url} | PATIENT,
                    journal={"path": tmp_path / name},
                )
            )
            for name in ("one", "other")
        ]
        for server in servers:
            server.wait_until_live("m-1")
        yield servers


def numbered(number: int, **changes: Any) -> transaction_pb2.Transaction:
    """Returns a transaction whose score tells how many of its account came before."""
    time = EVENT_TIME + timedelta(minutes=number)
    return transaction(
        f"transaction-{number}", **{"amount_minor": 1_000 + number, "event_time": time} | changes
    )


def scored(server: RunningServer, message: transaction_pb2.Transaction) -> score_pb2.Score:
    return server.stubs.scoring.ScoreTransaction(unary(message), timeout=120).score


def alone(registry: Path, *messages: transaction_pb2.Transaction) -> list[bytes]:
    """Returns the scores that one server gives."""
    with running_server(registry) as server:
        server.wait_until_live("m-1")
        return [without_mark(scored(server, each)) for each in messages]


def before_keeping(monkeypatch: pytest.MonkeyPatch, server: RunningServer, act: Callable[[], object]) -> None:
    """Lets something happen once between counting and answering."""
    first: Any = server.app.history
    keep, acts = first._first.keep, [act]

    def late(*arguments: Any) -> bool:
        if acts:
            acts.pop()()
        return bool(keep(*arguments))

    monkeypatch.setattr(first._first, "keep", late)


def names(redis: RedisServer, letter: bytes) -> list[bytes]:
    """Returns the names of a kind behind the prefix `kuntur:`."""
    return [name for name in redis.client().keys(b"kuntur:" + letter + b"*") if len(name) == 16]


def test_a_transaction_that_comes_again_over_the_other_server_gets_its_first_answer(
    pair: list[RunningServer], redis: RedisServer, registry: Path
) -> None:
    one, other = pair
    messages = [numbered(number) for number in range(6)]
    first = [without_mark(scored(one, each)) for each in messages[:3]]
    results = [result.score for result in streamed(other, frame(*messages))]
    assert [score.replayed for score in results] == [True] * 3 + [False] * 3
    again = [scored(one, each) for each in messages]
    assert all(score.replayed for score in again)
    expected = alone(registry, *messages)
    assert list(map(without_mark, results)) == list(map(without_mark, again)) == expected
    assert first == expected[:3]
    assert known(one) == known(other) == 6
    assert names(redis, b"o") == []


def test_another_transaction_with_the_id_is_refused_by_the_other_server(pair: list[RunningServer]) -> None:
    one, other = pair
    first = scored(one, numbered(1))
    with pytest.raises(grpc.RpcError) as caught:
        scored(other, numbered(1, amount_minor=5, device_id="another"))
    told = failure(caught.value)
    assert (told.code, told.reason) == (grpc.StatusCode.ALREADY_EXISTS.value[0], "TRANSACTION_CONFLICT")
    assert told.metadata == {"transaction_id": "transaction-1", "fields": "amount_minor,device_id"}
    results = streamed(other, frame(numbered(1, amount_minor=5), numbered(1), numbered(2)))
    assert [result.WhichOneof("result") for result in results] == ["status", "score", "score"]
    assert without_mark(results[1].score) == without_mark(first)
    assert known(one) == 2


def test_one_that_is_overtaken_between_counting_and_answering_gets_the_answer_of_the_other(
    pair: list[RunningServer], monkeypatch: pytest.MonkeyPatch, registry: Path
) -> None:
    one, other = pair
    messages = [numbered(number) for number in range(4)]
    faster: list[Any] = []
    before_keeping(monkeypatch, one, lambda: faster.extend(streamed(other, frame(*messages[1:3]))))
    results = [result.score for result in streamed(one, frame(*messages))]
    assert [score.replayed for score in results] == [False, True, True, False]
    assert [result.score.replayed for result in faster] == [False, False]
    expected = alone(registry, *messages)
    assert list(map(without_mark, results)) == expected
    assert [without_mark(result.score) for result in faster] == expected[1:3]
    assert known(one) == 4


def test_a_conflict_with_one_that_is_not_answered_yet_tells_the_fields(
    pair: list[RunningServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair
    told = []

    def conflict() -> None:
        with pytest.raises(grpc.RpcError) as caught:
            scored(other, numbered(1, amount_minor=5))
        told.append(failure(caught.value).metadata["fields"])

    before_keeping(monkeypatch, one, conflict)
    assert not scored(one, numbered(1)).replayed
    assert told == ["amount_minor"]


def test_twins_in_flight_on_both_servers_get_one_answer(pair: list[RunningServer], registry: Path) -> None:
    messages = [numbered(number, account_id=f"a-{number}", merchant_id="") for number in range(40)]
    scores: list[list[score_pb2.Score]] = [[] for _ in range(4)]
    begin = threading.Barrier(4)

    def ask(place: int) -> None:
        server = pair[place % 2]
        begin.wait()
        if place < 2:
            scores[place] = [scored(server, each) for each in messages]
        else:
            frames = [frame(*messages[at : at + 8]) for at in range(0, 40, 8)]
            scores[place] = [result.score for result in streamed(server, *frames)]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = alone(registry, *messages)
    for given in zip(expected, *scores, strict=True):
        assert {without_mark(score) for score in given[1:]} == {given[0]}
        assert sum(not score.replayed for score in given[1:]) == 1
    assert known(pair[0]) == 40


def test_a_server_that_is_killed_between_counting_and_answering_leaves_what_another_answers_from(
    redis: RedisServer, registry: Path, tmp_path: Path
) -> None:
    redis.client().flushall()
    shared = ("--config", str(tmp_path / "server.toml"), "--registry", str(registry))
    (tmp_path / "server.toml").write_text(
        f'[history]\nstore = "redis"\n[redis]\nurl = "{redis.url}"\ntimeout_s = 30.0\n'
    )
    messages = [numbered(number) for number in range(6)]
    with (
        running_server(registry, history={"store": "redis"}, redis={"url": redis.url} | PATIENT) as server,
        ServerProcess(*shared, program=("-c", _SERVE_UNANSWERING)) as dying,
    ):
        server.wait_until_live("m-1")
        first = [scored(server, each) for each in messages[:2]]
        with stubs_for(dying.address) as stubs:
            wait_until(lambda: stubs.health_of() == "SERVING")
            stream = stubs.scoring.ScoreStream(iter([frame(*messages[2:4])]))
            wait_until(lambda: dying.wrote("counted"))
            dying.end(9)
            with pytest.raises(grpc.RpcError):
                next(stream)
        later = [scored(server, each) for each in messages[4:]]
        left = [scored(server, each) for each in messages[2:4]]
        again = [result.score for result in streamed(server, frame(*messages[2:4]))]
        assert not any(score.replayed for score in left)
        assert all(score.replayed for score in again)
        assert list(map(without_mark, again)) == list(map(without_mark, left))
        assert list(map(without_mark, first + left + later)) == alone(registry, *messages)
        assert known(server) == 6


def test_redis_going_away_between_counting_and_answering_is_told_and_what_is_sent_again_is_answered(
    pair: list[RunningServer], redis: RedisServer, monkeypatch: pytest.MonkeyPatch, registry: Path
) -> None:
    one, other = pair
    messages = [numbered(number) for number in range(3)]
    scored(one, messages[0])
    before_keeping(monkeypatch, one, redis.kill)
    with pytest.raises(grpc.RpcError) as caught:
        scored(one, messages[1])
    told = failure(caught.value)
    assert (told.code, told.reason, told.retried) == (14, "HISTORY_UNAVAILABLE", True)
    redis.start()
    scored(other, messages[2])
    score = scored(other, messages[1])
    again = scored(one, messages[1])
    assert (score.replayed, again.replayed) == (False, True)
    assert without_mark(score) == without_mark(again) == alone(registry, *messages[:2])[1]
    assert known(one) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda value, _: value[:-1],
        lambda value, _: value[:20],
        lambda *_: b"",
        lambda value, _: value + b"more",
        lambda value, _: value[:40] + bytes([value[40] ^ 1]) + value[41:],
        lambda _, other: other,
    ],
    ids=["cut", "cut short", "emptied", "longer", "flipped", "of another transaction"],
)
def test_a_damaged_answer_counts_as_not_there_and_another_one_takes_its_place(
    pair: list[RunningServer], redis: RedisServer, damage: Callable[[bytes, bytes], bytes]
) -> None:
    one, other = pair
    client = redis.client()
    scored(one, numbered(0))
    (untouched,) = names(redis, b"f")
    scored(one, numbered(1))
    (name,) = {*names(redis, b"f")} - {untouched}
    client.set(name, damage(client.get(name), client.get(untouched)))
    with structlog.testing.capture_logs() as logs:
        score = scored(other, numbered(1))
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "the first answer to a transaction is damaged in Redis and counts as not there"
    ]
    again = scored(one, numbered(1))
    assert (score.replayed, again.replayed) == (False, True)
    assert without_mark(again) == without_mark(score)
    assert scored(other, numbered(0)).replayed
    assert known(one) == 2


def test_what_a_frame_left_and_is_damaged_is_answered_from_features_of_now(
    pair: list[RunningServer], redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair

    def damage(*_: Any) -> bool:
        (name,) = names(redis, b"o")
        redis.client().setrange(name, 40, b"????")
        raise RuntimeError("it ends here")

    history: Any = one.app.history
    with monkeypatch.context() as patched:
        patched.setattr(history._first, "keep", damage)
        with pytest.raises(grpc.RpcError):
            scored(one, numbered(1))
    with structlog.testing.capture_logs() as logs:
        score = scored(other, numbered(1))
    assert "what a frame left to be answered from is damaged" in str(logs)
    assert not score.replayed
    assert without_mark(scored(one, numbered(1))) == without_mark(score)
    assert known(one) == 1


def test_each_server_has_all_that_it_said_in_its_own_journal(
    pair: list[RunningServer], tmp_path: Path
) -> None:
    one, other = pair
    first = scored(one, numbered(1))
    given = streamed(other, frame(numbered(1), numbered(2)))
    repeated = scored(one, numbered(1))
    for server in pair:
        server.app.stop()
    said = {name: [each.response for each in read_exchanges(tmp_path / name)] for name in ("one", "other")}
    parse = scoring_service_pb2.ScoreTransactionResponse.FromString
    assert [parse(each or b"").score for each in said["one"]] == [first, repeated]
    (frame_said,) = said["other"]
    assert list(scoring_service_pb2.ScoreStreamResponse.FromString(frame_said or b"").results) == given


def test_what_redis_keeps_of_answers_is_nobodys_to_read(
    pair: list[RunningServer], redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bytes] = []
    client = redis.client()
    before_keeping(monkeypatch, pair[0], lambda: kept.extend(map(client.get, names(redis, b"o"))))
    streamed(pair[0], frame(numbered(1, account_id="account-of-a-customer", ip_address="192.0.2.77")))
    kept += map(client.get, names(redis, b"f"))
    assert len(kept) == 2
    everything = b"".join(kept)
    for told in (b"transaction-1", b"account-of-a-customer", b"192.0.2.77", b"m-1", b"PEN"):
        assert told not in everything
