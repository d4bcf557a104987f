"""What a program does to the files below a folder, in order, with faults where a test wants them.

The calls of `os` that change files are recorded and carried out, but for waiting for the disk. Memory that is
mapped changes without a call: what differs in the mapped file is recorded before each call, and whenever a
test has a look taken.
"""

from __future__ import annotations

import errno
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

SECTOR = 512
ROOT = 0
"""Number of the folder itself; each folder and file below it has another."""


class Named(NamedTuple):
    """A name in a folder leads to a file or folder from now on; to none: -1."""

    folder: int
    name: str
    file: int


class Wrote(NamedTuple):
    file: int
    offset: int
    content: bytes


class Resized(NamedTuple):
    file: int
    size: int


class Mapped(NamedTuple):
    """Sectors of a mapped file, by their numbers."""

    file: int
    sectors: dict[int, bytes]


class Synced(NamedTuple):
    """A file or folder was synced, or could not be."""

    file: int
    done: bool


class Made(NamedTuple):
    file: int
    folder: bool


Event = Named | Wrote | Resized | Mapped | Synced | Made


class Killed(BaseException):
    """Raised in a process that was killed at each call, so that it does nothing more."""


class Recorder:
    """Records what is done below a folder while it is installed. Safe for threads."""

    def __init__(self, root: Path, mapped: str, promised: Callable[[], int]) -> None:
        """mapped: name of the file that is mapped; promised: what is asked in front of each event."""
        self.root, self.promised = root, promised
        self.events: list[tuple[int, Event]] = []
        """Each with what was promised before it."""
        self.failing: dict[str, int] = {}
        """How many of the next calls fail, by name: pwrite, fsync."""
        self.killed = False
        self._mapped = mapped
        self._lock = threading.RLock()
        self._numbers: dict[tuple[int, int], int] = {}
        self._contents: dict[int, bytes] = {}  # of regular files, as they were recorded
        self._map: tuple[int, Path] | None = None
        self._count = ROOT
        self._chance = random.Random(1)
        self._real = {name: getattr(os, name) for name in _CALLS}
        for folder, _, files in os.walk(root):
            self._number(Path(folder), folder=True)
            for name in files:
                self._number(Path(folder) / name, folder=False)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Has all calls go through here."""
        for name in _CALLS:
            monkeypatch.setattr(os, name, getattr(self, f"_{name}"))

    def look(self) -> None:
        """Records what is different in the mapped file."""
        with self._lock:
            if self._map is None:
                return
            number, path = self._map
            now = path.read_bytes() if path.exists() else b""
            before = self._contents[number]
            if len(now) != len(before):
                self._contents[number] = now
                self._add(Resized(number, len(now)))
                before = before[: len(now)].ljust(len(now), b"\0")
            changed = _changed(before, now)
            if changed:
                self._contents[number] = now
                self._add(Mapped(number, {s: now[s * SECTOR : (s + 1) * SECTOR] for s in changed}))

    def _add(self, event: Event) -> None:
        self.events.append((self.promised(), event))

    def _begin(self) -> None:
        if self.killed:
            raise Killed
        self.look()

    def _number(self, path: Path, *, folder: bool) -> int:
        """Gives a file or folder that was made a number and its name."""
        number = self._count
        self._count += 1
        status = path.stat()
        self._numbers[status.st_dev, status.st_ino] = number
        if number != ROOT:
            self._add(Made(number, folder))
            self._add(Named(self._of(path.parent), path.name, number))
        if not folder:
            self._contents[number] = b""
            if path.name == self._mapped:
                self._map = number, path
                self.look()
            else:
                self._written(number, path.read_bytes())
        return number

    def _written(self, number: int, content: bytes) -> None:
        """Records what was written to a file by other ways than `os.pwrite`."""
        if content != self._contents[number] and (self._map is None or number != self._map[0]):
            self._contents[number] = content
            self._add(Wrote(number, 0, content))
            self._add(Resized(number, len(content)))

    def _of(self, where: Path | int) -> int:
        status = os.fstat(where) if isinstance(where, int) else where.stat()
        return self._numbers.get((status.st_dev, status.st_ino), -1)

    def _inside(self, path: Any) -> bool:
        return self.root in Path(path).parents

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        with self._lock:
            if dir_fd is not None or not self._inside(path):
                return int(self._real["open"](path, flags, mode, dir_fd=dir_fd))
            self._begin()
            there = Path(path).exists()
            descriptor = int(self._real["open"](path, flags, mode))
            if not there:
                self._number(Path(path), folder=False)
            elif flags & os.O_TRUNC:
                self._resized(self._of(descriptor), 0)
            return descriptor

    def _resized(self, number: int, size: int) -> None:
        if number in self._contents:
            self._contents[number] = self._contents[number][:size].ljust(size, b"\0")
            self._add(Resized(number, size))

    def _pwrite(self, descriptor: int, content: bytes, offset: int) -> int:
        with self._lock:
            number = self._of(descriptor)
            if number < 0:
                return int(self._real["pwrite"](descriptor, content, offset))
            self._begin()
            content = bytes(content)
            fails = self._fails("pwrite")
            if fails:
                content = content[: self._chance.randrange(len(content))]
            self._real["pwrite"](descriptor, content, offset)
            if content:
                before = self._contents[number].ljust(offset, b"\0")
                self._contents[number] = before[:offset] + content + before[offset + len(content) :]
                self._add(Wrote(number, offset, content))
            if fails and not content:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if fails:
                self.failing["pwrite"] = 1  # so much was written; the rest is not
            return len(content)

    def _ftruncate(self, descriptor: int, size: int) -> None:
        with self._lock:
            if (number := self._of(descriptor)) >= 0:
                self._begin()
                self._resized(number, size)
            self._real["ftruncate"](descriptor, size)

    def _truncate(self, path: Any, size: int) -> None:
        with self._lock:
            if self._inside(path):
                self._begin()
                self._resized(self._of(Path(path)), size)
            self._real["truncate"](path, size)

    def _fsync(self, descriptor: int) -> None:
        with self._lock:
            number = self._of(descriptor)
            if number < 0:
                return
            self._begin()
            if number in self._contents:
                size = os.fstat(descriptor).st_size
                path = f"/proc/self/fd/{descriptor}"
                with Path(path).open("rb") as file:
                    self._written(number, file.read(size))
            # A folder that fails is another fault than one of a file, which loses what was to be written.
            done = number not in self._contents or not self._fails("fsync")
            self._add(Synced(number, done))
            if not done:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    _fdatasync = _fsync

    def _fails(self, name: str) -> bool:
        left = self.failing.get(name, 0)
        self.failing[name] = max(0, left - 1)
        return left > 0

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        with self._lock:
            if self._inside(path):
                self._begin()
                self._add(Named(self._of(Path(path).parent), Path(path).name, -1))
            self._real["unlink"](path, dir_fd=dir_fd)

    def _rename(self, path: Any, to: Any) -> None:
        with self._lock:
            if self._inside(path):
                self._begin()
                path, to = Path(path), Path(to)
                self._add(Named(self._of(to.parent), to.name, self._of(path)))
                self._add(Named(self._of(path.parent), path.name, -1))
            self._real["rename"](path, to)

    _replace = _rename

    def _mkdir(self, path: Any, mode: int = 0o777) -> None:
        with self._lock:
            if self._inside(path):
                self._begin()
            self._real["mkdir"](path, mode)
            if self._inside(path):
                self._number(Path(path), folder=True)


_CALLS = (
    "open", "pwrite", "ftruncate", "truncate", "fsync", "fdatasync", "unlink", "rename", "replace", "mkdir",
)  # fmt: skip


def _changed(before: bytes, now: bytes) -> list[int]:
    size = -(-len(now) // SECTOR) * SECTOR
    old, new = (np.frombuffer(raw.ljust(size, b"\0"), dtype=np.uint64) for raw in (before, now))
    return np.flatnonzero((old != new).reshape(-1, SECTOR // 8).any(axis=1)).tolist()
