"""The lock in shared memory: waited for while it is held, and made anew when it is damaged."""

from __future__ import annotations

import ctypes
import subprocess
import threading

import pytest
import structlog

from server.state.region import mutex as module
from server.state.region.mutex import SIZE_BYTES, LockDamagedError, SharedMutex
from tests.support.serving import wait_until

_NOBODY = 0x3FFFFFF0  # above every number that the kernel gives to a thread


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)


@pytest.fixture
def memory() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(SIZE_BYTES)


@pytest.fixture
def word(memory: ctypes.Array[ctypes.c_char]) -> ctypes.c_uint32:
    return ctypes.c_uint32.from_buffer(memory)


@pytest.fixture
def lock(memory: ctypes.Array[ctypes.c_char]) -> SharedMutex:
    made = SharedMutex(ctypes.addressof(memory))
    made.initialise()
    return made


@pytest.mark.parametrize("damage", [_NOBODY, 1 << 29, 0x80000000, 0x80000000 | _NOBODY])
def test_a_free_lock_that_seems_held_by_nobody_is_made_anew_and_said(
    lock: SharedMutex, word: ctypes.c_uint32, damage: int
) -> None:
    word.value = damage
    with structlog.testing.capture_logs() as logs:
        assert lock.acquire()
    assert [entry["log_level"] for entry in logs] == ["error"]
    lock.release()
    assert not lock.acquire()
    lock.release()


def test_a_free_lock_that_seems_held_by_a_thread_of_this_process_is_made_anew(
    lock: SharedMutex, word: ctypes.c_uint32
) -> None:
    word.value = threading.main_thread().native_id or 0
    taken: list[bool] = []
    other = threading.Thread(target=lambda: taken.append(lock.acquire()))
    other.start()
    other.join()
    assert taken == [True]


def test_a_held_lock_whose_word_is_damaged_is_given_back_all_the_same(
    lock: SharedMutex, word: ctypes.c_uint32
) -> None:
    assert not lock.acquire()
    word.value ^= 1 << 29
    with structlog.testing.capture_logs() as logs:
        lock.release()
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert word.value == 0
    assert not lock.acquire()
    lock.release()


def test_a_lock_is_waited_for_while_a_thread_holds_it(
    lock: SharedMutex, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    may_hold = lock._may_hold

    def looked(thread: int) -> bool:
        looks.append(thread)
        return may_hold(thread)

    monkeypatch.setattr(lock, "_may_hold", looked)
    assert not lock.acquire()
    taken: list[bool] = []
    other = threading.Thread(target=lambda: taken.append(lock.acquire()))
    other.start()
    wait_until(lambda: len(looks) > 3)
    assert taken == []
    assert set(looks) == {threading.get_native_id()}
    lock.release()
    other.join()
    assert taken == [False]


def test_a_lock_that_a_living_process_seems_to_hold_is_not_waited_for_without_end(
    lock: SharedMutex, word: ctypes.c_uint32, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        word.value = sleeper.pid
        with pytest.raises(LockDamagedError):
            lock.acquire()
        sleeper.kill()
    assert lock.acquire()
    lock.release()


@pytest.mark.parametrize("bit", range(32))
def test_a_damaged_kind_is_put_right_and_said(
    lock: SharedMutex, memory: ctypes.Array[ctypes.c_char], bit: int
) -> None:
    kind = ctypes.c_uint32.from_buffer(memory, 16)
    before = kind.value
    kind.value ^= 1 << bit
    with structlog.testing.capture_logs() as logs:
        lock.check()
    assert kind.value == before
    assert len(logs) == 1
    assert not lock.acquire()
    lock.release()
    assert lock.check() is None
