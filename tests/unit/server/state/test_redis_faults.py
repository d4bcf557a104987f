"""What a shared history does when Redis or the others do not play along: a clear error, nothing by halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import redis as redis_py
import structlog

from kuntur.features import FEATURE_NAMES
from kuntur.history import OutcomeStatus, scratch
from kuntur.transaction import IntColumn, KeyColumn
from server.errors import HistoryUnavailableError
from server.state import RegionError
from server.state.redis.history import RedisHistory
from tests.contract.history_store import HOUR_US, START_US, counted, outcomes, transactions
from tests.support.programs.redis import RedisServer, connected, redis_server, shared_history

_FRAUDS = FEATURE_NAMES.index("account_fraud_count")


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


def everything(redis: RedisServer) -> dict[bytes, Any]:
    """Returns what Redis holds, by name."""
    client = redis.client()
    readers = {b"string": client.get, b"hash": client.hgetall}
    return {
        name: readers.get(client.type(name), lambda name: client.lrange(name, 0, -1))(name)
        for name in client.keys("*")
    }


def before_commit(store: RedisHistory, act: Callable[[], object]) -> None:
    """Lets something happen each time a frame was counted and is about to be committed."""
    scripts: Any = store._scripts
    commit = scripts.commit

    def late(*arguments: Any) -> int:
        act()
        return int(commit(*arguments))

    scripts.commit = late


def test_redis_going_down_before_the_commit_is_a_clear_error_and_changes_nothing(
    redis: RedisServer, store: RedisHistory
) -> None:
    store.score_features(transactions([1, 2]))
    store.report(outcomes([1]))
    before = everything(redis)
    disturbed = shared_history(redis)
    before_commit(disturbed, redis.kill)
    batch = transactions([3, 1, 4])
    with pytest.raises(HistoryUnavailableError, match="cannot be reached; try again"):
        disturbed.score_features(batch)
    assert batch.ints[:, IntColumn.COUNTED].tolist() == [1, 1, 1]
    with pytest.raises(HistoryUnavailableError):
        store.report(outcomes([2]))
    redis.start()
    assert everything(redis) == before
    assert counted(store.score_features(batch)) == [2, 3, 3]  # connects again, without its scripts


def test_what_redis_was_told_to_forget_of_the_scripts_is_loaded_again(
    redis: RedisServer, store: RedisHistory
) -> None:
    store.score_features(transactions([1]))
    redis.client().script_flush()
    assert counted(store.score_features(transactions([2]))) == [1]


def test_a_commit_whose_answer_was_lost_counts_once_when_it_is_sent_again(store: RedisHistory) -> None:
    scripts: Any = store._scripts
    commit = scripts.commit

    def lost(*arguments: Any) -> int:
        commit(*arguments)
        raise redis_py.ConnectionError("connection lost")

    scripts.commit = lost
    with pytest.raises(HistoryUnavailableError):
        store.score_features(transactions([1, 2]))
    scripts.commit = commit
    assert store.backfill(transactions([1, 2])) == 2
    assert counted(store.score_features(transactions([3]))) == [2]


def test_a_redis_that_is_full_is_a_clear_error_and_changes_nothing(
    redis: RedisServer, store: RedisHistory
) -> None:
    store.score_features(transactions([1]))
    before = everything(redis)
    redis.client().config_set("maxmemory", 1)
    try:
        with pytest.raises(HistoryUnavailableError, match="cannot be used now; try again"):
            store.score_features(transactions([2]))
    finally:
        redis.client().config_set("maxmemory", 0)
    assert everything(redis) == before
    assert counted(store.score_features(transactions([2]))) == [1]


def test_a_name_that_is_something_else_is_an_error_before_anything_is_written(
    redis: RedisServer, store: RedisHistory
) -> None:
    redis.client().set("kuntur:latest", b"not a list")
    before = everything(redis)
    with pytest.raises(HistoryUnavailableError):
        store.score_features(transactions([1]))
    assert everything(redis) == before


def test_who_finds_its_records_changed_every_time_gives_up(redis: RedisServer) -> None:
    redis.client().flushall()
    unlucky = shared_history(redis, redis__max_tries=3)
    other = shared_history(redis)
    numbers = iter(range(1, 1_000))
    before_commit(unlucky, lambda: other.backfill(transactions([next(numbers)])))
    with pytest.raises(HistoryUnavailableError, match="is too busy"):
        unlucky.score_features(transactions([1_000]))
    assert counted(other.score_features(transactions([2_000]))) == [3]


def test_a_frame_that_others_overtake_again_and_again_gets_its_turn(
    redis: RedisServer, store: RedisHistory
) -> None:
    other = shared_history(redis, redis__max_tries=1)
    numbers, tries = iter(range(1_000, 2_000)), []

    def overtake() -> None:
        tries.append(1)
        try:
            other.score_features(transactions([next(numbers)]))
        except HistoryUnavailableError:
            tries.append(0)

    before_commit(store, overtake)
    store.score_features(transactions(list(range(1, 65))))
    assert tries == [1, 1, 1, 1, 1, 0]  # the fourth that came to nothing made the other wait
    assert counted(other.score_features(transactions([5_000]))) == [4 + 64]


def test_a_turn_that_was_taken_and_not_used_ends_by_itself(redis: RedisServer, store: RedisHistory) -> None:
    redis.client().set("kuntur:turn", b"a server that died", px=200)
    assert counted(store.score_features(transactions([1]))) == [0]


def hours(number: int) -> int:
    """Returns a time of the test, in microseconds."""
    return START_US + number * HOUR_US


def test_a_correction_that_is_held_while_a_frame_is_counted_makes_it_count_again(
    redis: RedisServer, store: RedisHistory
) -> None:
    other = shared_history(redis)
    store.score_features(transactions([1]))
    store.report(outcomes([1]))
    corrections = [lambda: other.report(outcomes([1], fraud=False, reported_us=hours(3)))]

    def correct() -> None:
        if corrections:
            corrections.pop()()

    # Another account, and no merchant: of what the correction changes, the frame looks at nothing.
    frame = transactions([2], account=8, start_us=hours(5))
    frame.keys[:, KeyColumn.MERCHANT] = 0
    before_commit(store, correct)
    store.score_features(frame)
    late = transactions([3], start_us=hours(3))  # the later hour of that frame has made the correction due
    assert other.score_features(late)[0, _FRAUDS] == 0


def test_corrections_that_are_too_many_to_be_held_are_made_for_whomever_they_concern(
    redis: RedisServer, store: RedisHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "HELD_CORRECTIONS", 2)
    store = shared_history(redis)
    for account in (1, 2, 3):
        store.score_features(transactions([account], account=account))
        store.report(outcomes([account]))
    for account in (1, 2, 3):
        store.report(outcomes([account], fraud=False, reported_us=hours(5)))
    seen = [
        float(
            store.score_features(transactions([10 + account], account=account, start_us=hours(5)))[0, _FRAUDS]
        )
        for account in (1, 2, 3)
    ]
    assert seen == [0, 0, 1]  # the third waits for its hour; the first two had to make room


@pytest.mark.parametrize(
    "damaged",
    [
        b"short",
        bytes(8 * 3),
        np.array([7, 4096, 0, 2**40, 0], dtype=np.int64).tobytes(),  # a count beyond every memory
        np.array([7, 4096, 0, -1, 0], dtype=np.int64).tobytes(),
        np.array([7, 2**50, 0, 1, 0], dtype=np.int64).tobytes(),
        np.array([7, 4096, 0, 1, 0, 5], dtype=np.int64).tobytes(),  # half a row
    ],
)
def test_held_corrections_that_are_damaged_are_lost_and_said_and_nothing_else(
    redis: RedisServer, store: RedisHistory, damaged: bytes
) -> None:
    store.score_features(transactions([1]))
    name = next(name for name in [*redis.client().keys("*form")]).replace(b"form", b"held")
    redis.client().set(name, damaged)
    with structlog.testing.capture_logs() as logs:
        assert counted(store.score_features(transactions([2], start_us=hours(30)))) == [1]
        assert counted(store.score_features(transactions([3], start_us=hours(30)))) == [2]
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert "damaged and lost" in logs[0]["event"]
    assert list(store.report(outcomes([1]))) == [OutcomeStatus.APPLIED]
    assert list(store.report(outcomes([1], fraud=False))) == [OutcomeStatus.CORRECTED]


def test_outages_are_logged_when_they_begin_and_when_they_end(
    redis: RedisServer, store: RedisHistory
) -> None:
    with structlog.testing.capture_logs() as logs:
        redis.kill()
        for _ in range(3):
            with pytest.raises(HistoryUnavailableError):
                store.backfill(transactions([1]))
        redis.start()
        for _ in range(3):
            store.backfill(transactions([1]))
    assert [event["log_level"] for event in logs] == ["error", "info"]


def test_counts_are_the_last_known_while_redis_is_out_of_reach(
    redis: RedisServer, store: RedisHistory
) -> None:
    store.score_features(transactions([1, 2]))
    before = store.counts()
    assert before.recent_transactions == 2
    redis.kill()
    assert store.counts() == before
    redis.start()


def test_a_redis_that_is_not_there_is_named_without_its_password(redis: RedisServer) -> None:
    redis.kill()
    with pytest.raises(ConnectionError, match=f"redis.url redis://127.0.0.1:{redis.port}/0") as caught:
        connected(redis.url, redis__password="hunter2")
    assert "hunter2" not in str(caught.value)
    redis.start()


def test_servers_with_another_hash_key_or_other_records_are_refused(
    redis: RedisServer, store: RedisHistory
) -> None:
    with pytest.raises(RegionError, match=r"another history\.hash_key; set another redis\.key_prefix"):
        shared_history(redis, history__hash_key="00112233445566778899aabbccddeeff")
    redis.client().set("kuntur:form", b"1 1")
    with pytest.raises(RegionError, match="a release that keeps other records"):
        shared_history(redis)


def test_servers_of_another_time_zone_are_refused_and_both_are_named(
    redis: RedisServer, store: RedisHistory
) -> None:
    with pytest.raises(
        RegionError, match=r"institution\.time_zone \(America/Lima there and Europe/Madrid in"
    ):
        shared_history(redis, institution__time_zone="Europe/Madrid")
    shared_history(redis, institution__time_zone="America/Bogota").close()  # its clock is the same
    madrid = {"institution__time_zone": "Europe/Madrid", "redis__key_prefix": "madrid:"}
    shared_history(redis, **madrid).close()
    shared_history(redis, **madrid).close()
    with pytest.raises(RegionError, match="Europe/Madrid there and America/Lima in the settings"):
        shared_history(redis, redis__key_prefix="madrid:")


def test_hours_are_those_of_the_settings_zone(redis: RedisServer) -> None:
    madrid = {"institution__time_zone": "Europe/Madrid", "redis__key_prefix": "hours:"}
    batch = transactions([1], start_us=1_768_000_000_000_000)  # 0:06 in Madrid, 18:06 in Lima
    assert shared_history(redis, **madrid).score_features(batch)[0, FEATURE_NAMES.index("hour")] == 0


def test_entities_expire_when_nothing_changes_them_and_the_latest_transactions_do_not(
    redis: RedisServer,
) -> None:
    redis.client().flushall()
    store = shared_history(redis, redis__retention_days=2.0)
    store.score_features(transactions([1]))
    store.report(outcomes([1]))
    client = redis.client()
    lasting = {name[7:8]: client.ttl(name) for name in client.keys("kuntur:*") if len(name) == 16}
    assert set(lasting) == {b"a", b"m", b"t"}
    assert 172_790 < min(lasting[b"a"], lasting[b"m"]) <= 172_800
    assert lasting[b"t"] == -1


def test_an_entity_that_expired_begins_anew(redis: RedisServer, store: RedisHistory) -> None:
    store.score_features(transactions([1, 2]))
    client = redis.client()
    for name in client.keys("kuntur:a*"):
        client.delete(name)
    assert counted(store.score_features(transactions([3]))) == [0]
    assert store.report(outcomes([1])).tolist() == [OutcomeStatus.APPLIED]


def test_a_record_that_is_cut_short_is_an_error_and_stays(redis: RedisServer, store: RedisHistory) -> None:
    store.score_features(transactions([1]))
    client = redis.client()
    (name,) = client.keys("kuntur:a*")
    client.append(name, b"more")
    before = everything(redis)
    with structlog.testing.capture_logs() as logs, pytest.raises(HistoryUnavailableError):
        store.score_features(transactions([2]))
    assert "bytes instead of" in logs[0]["error"]
    assert everything(redis) == before


def test_histories_under_other_prefixes_do_not_see_each_other(
    redis: RedisServer, store: RedisHistory
) -> None:
    store.score_features(transactions([1, 2], start_us=START_US))
    other = shared_history(redis, redis__key_prefix="other:")
    assert counted(other.score_features(transactions([1, 2]))) == [0, 1]
    assert np.sum(counted(store.score_features(transactions([3])))) == 2
