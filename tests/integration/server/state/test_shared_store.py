"""Servers that share a history in one Redis: together they give what one server would have given."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.integration.server.workers.sharing import PATIENT, Counted, calls, replayed, rounds, share
from tests.support.programs.redis import RedisServer, redis_server, shared_history


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as started:
        yield started


@pytest.fixture(autouse=True)
def _empty(redis: RedisServer) -> None:
    redis.client().flushall()


def assert_serial(seed: int, counted: list[Counted]) -> None:
    """Holds what servers gave against a replay of their commits by one."""
    made = calls(seed)
    assert sorted(each.call for each in counted) == list(range(len(made)))
    in_order = sorted(counted, key=lambda each: each.commit)
    assert [each.commit for each in in_order] == list(range(1, len(made) + 1))
    for each, expected in zip(in_order, replayed(made, counted), strict=True):
        assert each.result == expected, (each.commit, each.call)


def test_one_server_over_redis_gives_what_one_over_a_region_gives(redis: RedisServer) -> None:
    made = calls(1)
    assert_serial(1, list(share(shared_history(redis, **PATIENT), made, range(len(made)))))


def test_processes_that_count_the_same_accounts_give_the_features_of_their_common_order(
    redis: RedisServer,
) -> None:
    command = [sys.executable, "-m", "tests.integration.server.workers.sharing", redis.url, "2"]
    processes = [
        subprocess.Popen([*command, str(place), "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for place in range(2)
    ]
    for _ in rounds(len(calls(2)), 2):
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
    counted = [
        Counted(*told)
        for process in processes
        for told in pickle.loads(process.communicate()[0])  # noqa: S301
    ]
    assert_serial(2, counted)
    order = [each.call % 2 for each in sorted(counted, key=lambda each: each.commit)]
    # Each round has calls of both.
    assert sum(a != b for a, b in itertools.pairwise(order)) > 20


def test_stores_on_threads_of_their_own_give_the_features_of_their_common_order(redis: RedisServer) -> None:
    made, counted = calls(3), []
    stores = [shared_history(redis, **PATIENT) for _ in range(3)]

    def work(place: int) -> None:
        counted.extend(share(stores[place], made, range(place, len(made), 3)))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_serial(3, counted)
