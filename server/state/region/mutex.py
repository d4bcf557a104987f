"""A lock in shared memory that Linux releases when its holder dies.

A robust process-shared mutex of POSIX threads (pthread_mutexattr_setrobust(3)): 0.6 µs to lock and unlock
without a system call. What a dead holder left half done is for whoever takes the lock next to undo.

A bit that flips in it would make everybody wait for ever. So nobody waits for more than a second without
looking at what glibc keeps there: first the number of the thread that holds it, and its kind from byte 16 on.
A lock whose holder does not exist is marked as that of a dead one. With another C library nothing is looked
at.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import threading
import time
from pathlib import Path

import structlog

SIZE_BYTES = 128  # more than any C library's pthread_mutex_t
_ATTRIBUTE_BYTES = 64
_PROCESS_SHARED, _ROBUST = 1, 1
_TRIES = 64
_LOOK_EVERY_S = 1.0
PATIENCE_S = 10.0
"""Time after which a thread that lives but sleeps is not taken for the holder: whoever holds the lock runs,
checks a region, or is stopped."""
_THREAD = 0x3FFFFFFF  # of the first word, as futex(2) has it
_WAITERS, _OWNER_DIED = 0x80000000, 0x40000000
_KIND_BYTE = 16

_LOG = structlog.get_logger(__name__)

# Under the interpreter's lock: releasing it takes longer than nearly all waits.
_held = ctypes.PyDLL(None, use_errno=False)
_released = ctypes.CDLL(None, use_errno=False)
_healing = threading.Lock()


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class LockDamagedError(OSError):
    """The lock is damaged, and whether somebody holds it cannot be told."""


class SharedMutex:
    """A mutex at an address that several processes map. Safe for threads of each."""

    def __init__(self, address: int, fd: int | None = None) -> None:
        """Takes the address of SIZE_BYTES of shared memory in which `initialise` has made a mutex.

        fd: that of the memory; a lock on it decides which process mends a damaged mutex.
        """
        self._mutex, self._fd = ctypes.c_void_p(address), fd
        self._word, self._kind = ctypes.c_uint32.from_address(address), _kind_at(address)
        self._try, self._unlock = _held.pthread_mutex_trylock, _held.pthread_mutex_unlock
        self._ours = False

    def initialise(self) -> None:
        """Makes the mutex, unlocked; nobody may use the memory meanwhile. Raises OSError."""
        ctypes.memset(self._mutex, 0, SIZE_BYTES)
        _initialise(self._mutex)

    def acquire(self) -> bool:
        """Takes the lock; returns True if its last holder died with it, or it was damaged.

        Raises LockDamagedError, OSError.
        """
        code = errno.EBUSY
        for _ in range(_TRIES):
            code = self._try(self._mutex)
            if code != errno.EBUSY:
                break
        else:
            code = self._wait()
        if code not in {0, errno.EOWNERDEAD}:  # of an unknown kind, or no longer usable
            self.check()
            code = self._wait()
        if code == 0:
            self._ours = True
            return False
        if code != errno.EOWNERDEAD:
            raise LockDamagedError(code, os.strerror(code))
        _check(_held.pthread_mutex_consistent(self._mutex))
        self._ours = True
        return True

    def release(self) -> None:
        """Releases the lock."""
        self._ours = False
        if self._unlock(self._mutex) and _KIND is not None:  # it no longer says who holds it
            if not _exists(self._word.value & _THREAD):
                self._word.value = _WAITERS | threading.get_native_id()
                _LOG.error("the lock of the history was damaged and has been put right")
            self._unlock(self._mutex)

    def check(self) -> None:
        """Restores the kind of the lock, which nothing else ever writes."""
        if _KIND is not None and self._kind.value != _KIND:
            self._kind.value = _KIND
            _LOG.error("the lock of the history was damaged and has been put right")

    def _wait(self) -> int:
        """Waits for the lock, and checks now and then that a thread holds it."""
        began, before = time.monotonic(), None
        while True:
            until = time.time() + _LOOK_EVERY_S
            limit = _Time(int(until), int(until % 1 * 1e9))
            code: int = _released.pthread_mutex_timedlock(self._mutex, ctypes.byref(limit))
            if code != errno.ETIMEDOUT:
                return code
            word = self._word.value
            if _KIND is None:
                continue
            self.check()
            holder = word & _THREAD
            if word == before and not self._may_hold(holder):
                self._leave_to_next(word)
            elif time.monotonic() - began > PATIENCE_S and _sleeps(holder):
                raise LockDamagedError(errno.EDEADLK, "the lock of the history is not released")
            before = word

    def _may_hold(self, thread: int) -> bool:
        if Path(f"/proc/self/task/{thread}").exists():
            return self._ours
        return _exists(thread)

    def _leave_to_next(self, damaged: int) -> None:
        """Marks the lock as that of a dead holder if its word has not changed, as no real holder's does."""
        with _healing:
            if self._fd is not None:
                fcntl.lockf(self._fd, fcntl.LOCK_EX, SIZE_BYTES)
            try:
                if self._word.value == damaged and damaged:
                    self._word.value = _OWNER_DIED
                    _LOG.error("the lock of the history was damaged and has been made anew")
            finally:
                if self._fd is not None:
                    fcntl.lockf(self._fd, fcntl.LOCK_UN, SIZE_BYTES)


def _initialise(mutex: ctypes.c_void_p | ctypes.Array[ctypes.c_char]) -> None:
    attributes = ctypes.create_string_buffer(_ATTRIBUTE_BYTES)
    _check(_held.pthread_mutexattr_init(attributes))
    _check(_held.pthread_mutexattr_setpshared(attributes, _PROCESS_SHARED))
    _check(_held.pthread_mutexattr_setrobust(attributes, _ROBUST))
    _check(_held.pthread_mutex_init(mutex, attributes))
    _check(_held.pthread_mutexattr_destroy(attributes))


def _kind_at(address: int) -> ctypes.c_uint32:
    return ctypes.c_uint32.from_address(address + _KIND_BYTE)


def _kind_of_all() -> int | None:
    """Returns what glibc keeps as the kind of such a mutex; None with another C library."""
    mutex = ctypes.create_string_buffer(SIZE_BYTES)
    _initialise(mutex)
    _check(_held.pthread_mutex_trylock(mutex))
    locked = ctypes.c_uint32.from_buffer(mutex).value
    _check(_held.pthread_mutex_unlock(mutex))
    free = ctypes.c_uint32.from_buffer(mutex).value
    kind = ctypes.c_uint32.from_buffer(mutex, _KIND_BYTE).value
    return kind if (locked, free) == (threading.get_native_id(), 0) and kind else None


def _exists(thread: int) -> bool:
    if thread == 0:
        return False
    try:
        os.kill(thread, 0)  # also where /proc does not show it
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sleeps(thread: int) -> bool:
    """Returns whether a thread is waiting, which no thread that holds the lock does."""
    try:
        status = Path(f"/proc/{thread}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(") ")[2][:1] in {"S", "I"}


def _check(code: int) -> None:
    if code:
        raise OSError(code, os.strerror(code))


_KIND = _kind_of_all()
