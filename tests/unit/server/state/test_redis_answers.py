"""What Redis keeps of first answers: for how long, and what becomes of what cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
import structlog

from server.errors import HistoryUnavailableError
from server.state import HistoryStore
from server.state.redis import first
from server.state.redis.history import RedisHistory
from server.state.redis.sealing import OVERHEAD_BYTES, Sealer
from tests.contract.first_answers import (
    FirstAnswersContract,
    admit,
    answer,
    earlier,
    told,
    version_of,
)
from tests.support.programs.redis import RedisServer, redis_server, shared_history


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


@pytest.fixture
def store(redis: RedisServer) -> Iterator[RedisHistory]:
    redis.client().flushall()
    opened = shared_history(redis)
    yield opened
    opened.close()


class TestRedis(FirstAnswersContract):
    @pytest.fixture
    def store(self, redis: RedisServer) -> Iterator[HistoryStore]:
        redis.client().flushall()
        store = shared_history(redis)
        yield store
        store.close()


def names(redis: RedisServer, letter: str) -> list[bytes]:
    """Returns the names of a kind behind the prefix `kuntur:`."""
    return [name for name in redis.client().keys(f"kuntur:{letter}*") if len(name) == 16]


def test_what_a_frame_left_goes_with_its_answer_and_else_within_an_hour(
    redis: RedisServer, store: RedisHistory
) -> None:
    admitted, _ = admit(store, [1, 2])
    admit(store, [3])
    left = {*names(redis, "o")}
    assert len(left) == 2
    assert all(3500 < redis.client().ttl(name) <= 3600 for name in left)
    assert answer(store, admitted, [1, 2], "m") is not None
    assert len(left & {*names(redis, "o")}) == 1
    assert [redis.client().ttl(name) for name in names(redis, "f")] == [-1, -1]


def test_what_a_frame_left_stays_while_one_of_its_new_transactions_has_no_score(
    redis: RedisServer, store: RedisHistory
) -> None:
    admit(store, [1])
    admitted, batch = admit(store, [1, 2, 3])
    before = {*names(redis, "o")}
    assert store.answer(batch.keys[:2], admitted.trail[:2], told([1, 2], "m"), admitted) is not None
    assert {*names(redis, "o")} == before
    again, batch = admit(store, [3])
    features = earlier(store, again, batch)[0].features()
    assert features is not None
    assert features.tobytes() == admitted.features[2].tobytes()


def test_known_transactions_leave_nothing_to_be_answered_from(
    redis: RedisServer, store: RedisHistory
) -> None:
    answer(store, admit(store, [1, 2])[0], [1, 2], "m")
    admit(store, [2, 1])
    assert names(redis, "o") == []


def test_the_answer_of_a_forgotten_transaction_is_forgotten_too(redis: RedisServer) -> None:
    redis.client().flushall()
    store = shared_history(redis, history__recent_transactions=3)
    for number in range(1, 9):
        assert answer(store, admit(store, [number])[0], [number], "m") is not None
    kept = {name[-8:] for name in names(redis, "t")}
    assert len(kept) == 3
    assert {name[-8:] for name in names(redis, "f")} == kept


def test_one_that_is_forgotten_before_it_is_answered_leaves_no_answer(redis: RedisServer) -> None:
    redis.client().flushall()
    store = shared_history(redis, history__recent_transactions=1)
    admitted, _ = admit(store, [1])
    admit(store, [2])
    assert answer(store, admitted, [1], "m") is not None
    assert names(redis, "f") == []


def test_an_answer_whose_receipt_was_lost_is_given_when_the_transaction_comes_again(
    store: RedisHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts: Any = store._scripts
    keep = scripts.keep

    def lost(*arguments: Any) -> bool:
        keep(*arguments)
        raise redis_py.ConnectionError("connection lost")

    admitted, batch = admit(store, [1])
    with monkeypatch.context() as patched:
        patched.setattr(scripts, "keep", lost)
        with pytest.raises(HistoryUnavailableError, match="cannot be reached"):
            answer(store, admitted, [1], "first")
    assert version_of(earlier(store, admit(store, [1])[0], batch)[0].score) == "first"


def test_redis_going_away_is_a_clear_error_whatever_is_asked_of_answers(
    redis: RedisServer, store: RedisHistory
) -> None:
    admit(store, [1])
    admitted, batch = admit(store, [1])
    (found,) = earlier(store, admitted, batch)
    redis.kill()
    try:
        for ask in (found.features, found.request, lambda: earlier(store, admitted, batch)):
            with pytest.raises(HistoryUnavailableError, match="cannot be reached; try again"):
                ask()
        with pytest.raises(HistoryUnavailableError):
            answer(store, admitted, [1], "m")
    finally:
        redis.start()
    assert answer(store, admitted, [1], "m") is not None


def test_features_of_a_release_with_other_ones_are_not_used(
    store: RedisHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first, "_CATALOGUE", b"another catalogue")
    admit(store, [1])
    monkeypatch.undo()
    again, batch = admit(store, [1])
    with structlog.testing.capture_logs() as logs:
        assert earlier(store, again, batch)[0].features() is None
    assert logs == []


def test_a_reference_that_is_damaged_leads_nowhere(redis: RedisServer, store: RedisHistory) -> None:
    admit(store, [1])
    again, batch = admit(store, [1])
    (name,) = names(redis, "t")
    redis.client().setrange(name, 8 + 8 * first.R_ANSWER, b"\xff\xff\xff\x7f\xff\xff\xff\xff")
    (found,) = earlier(store, again, batch)
    assert (found.twin, found.answered, found.features(), found.request()) == (None, False, None, None)
    redis.client().set(name, b"short")
    (found,) = earlier(store, again, batch)
    assert (found.content, found.twin, found.features()) == (0, None, None)


def test_each_bit_of_what_is_sealed_counts() -> None:
    sealer = Sealer(b"secret of servers")
    sealed = sealer.seal(b"kuntur:f12345678", b"told")
    assert len(sealed) == len(b"told") + OVERHEAD_BYTES
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        assert sealer.open(b"kuntur:f12345678", bytes(flipped)) is None
    assert sealer.open(b"kuntur:f12345678", sealed) == b"told"
    assert sealer.open(b"kuntur:f12345679", sealed) is None


def test_what_one_process_seals_others_with_the_secret_open_and_nobody_else() -> None:
    sealed = [Sealer(b"secret of servers").seal(b"name", b"told") for _ in range(2)]
    assert sealed[0][:16] != sealed[1][:16]
    assert [Sealer(b"secret of servers").open(b"name", each) for each in sealed] == [b"told"] * 2
    assert Sealer(b"another secret").open(b"name", sealed[0]) is None


def test_the_same_value_is_never_sealed_alike() -> None:
    sealer = Sealer(b"secret of servers")
    assert len({sealer.seal(b"name", b"told") for _ in range(100)}) == 100


def test_answers_of_many_transactions_are_kept_in_one_step(store: RedisHistory) -> None:
    ids = list(range(1, 600))
    admitted, batch = admit(store, ids)
    assert answer(store, admitted, ids, "m") is not None
    found = earlier(store, admitted, batch)
    assert [each.content for each in found] == ids
    assert {version_of(each.score) for each in found} == {"m"}
