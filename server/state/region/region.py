"""The memory of a history: one flat region that processes share, in memory alone or in a file.

A header, the mutex, the undo log, the tables of entities, the recent transactions, the held outcomes: all
int64, each of a fixed size for the most records it may hold. Nothing of it takes memory before it is used,
so it grows without a pause. Shared regions are sealed (`kuntur.records.seals`), and a file is checked when it
is opened. What the parts mean is left to `kuntur.history`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import structlog

from kuntur.history import HistoryMemory, HistorySizes, Repair
from kuntur.history.memory import COUNTER_WORDS
from kuntur.records.seals import seal_of
from kuntur.records.undo import NO_UNDO
from kuntur.time_zone import TimeZone, time_zone
from server.host.file_limit import check_file_limit
from server.host.signals import end_if_stop_is_wanted
from server.state.region.damage import Damage, begun_before, remember_beginning
from server.state.region.header import (
    H_SEAL,
    SMALLER,
    check_header,
    check_room,
    header_of,
    sealed_sizes,
    was_closed,
)
from server.state.region.layout import PAGE_WORDS, RegionError, parts_of, words_of
from server.state.region.mutex import SharedMutex

# Words behind the header proper.
_H_OPEN, _H_LOADING, _H_MUTEX, _H_COUNTERS = 32, 33, 64, 128
_LOADING = int.from_bytes(b"KNTRLOAD", "little")  # no bit that flips makes this of another number
_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # most of it is never touched
_READ_WORDS = 1 << 17
_OR_SMALLER = f", or {SMALLER}"
_LONG_BYTES = 1 << 30  # half a second of checking

_LOG = structlog.get_logger(__name__)
Memory = npt.NDArray[np.int64]


def counters_of(path: Path) -> Memory:
    """Returns the counters in a region's file, by the places of `kuntur.history.serving`. Raises OSError."""
    with path.open("rb") as file:
        head = np.frombuffer(file.read(8 * (_H_COUNTERS + COUNTER_WORDS)), dtype=np.int64)
    if len(head) < _H_COUNTERS + COUNTER_WORDS:
        raise OSError(errno.EINVAL, "it is too short", str(path))
    return head[_H_COUNTERS:]


def _extents(descriptor: int, end: int) -> Iterator[tuple[int, int]]:
    """Yields where a file has data before an end, from a byte to another; the rest of it reads as zeros."""
    at = 0
    while at < end:
        try:
            first = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:  # no more data
            return
        at = min(os.lseek(descriptor, first, os.SEEK_HOLE), end)
        if first < at:
            yield first, at


class Region:
    """A mapped region and the history in it; `mutex` is held around each use of the history.

    fd: the descriptor that another process attaches to, if it can; zone: whose nights are counted in it.
    """

    def __init__(
        self, fd: int | None, sizes: HistorySizes, zone: TimeZone | None = None, *, attached: bool = False
    ) -> None:
        """Maps what stands behind a descriptor, which the region owns from then on; None: private memory.

        zone: by default Peru's; attached: whether another process made it and will close it in order.
        """
        self.zone = zone or time_zone()
        self.fd, self.sizes, self._attached = fd, sizes, attached
        self.path: Path | None = None
        flags = mmap.MAP_SHARED if fd is not None else mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
        self._mapped = mmap.mmap(-1 if fd is None else fd, 8 * words_of(sizes, sealed=fd is not None), flags)
        # Records are hit at random: with small pages most accesses cost a walk through the page tables.
        with contextlib.suppress(OSError, AttributeError):  # a kernel without them
            self._mapped.madvise(mmap.MADV_HUGEPAGE)
        self.memory: Memory = np.frombuffer(self._mapped, dtype=np.int64)
        laid_out = list(parts_of(sizes, sealed=fd is not None))
        self._starts = {name: start for name, start, _ in laid_out} | {"counters": _H_COUNTERS}
        parts = {name: self.memory[start : start + words] for name, start, words in laid_out}
        counters = self.memory[_H_COUNTERS : _H_COUNTERS + COUNTER_WORDS]
        # What dies with its process needs no undoing.
        self.history = HistoryMemory(parts, counters, NO_UNDO if fd is None else parts["undo"])
        self.mutex = SharedMutex(self.memory.ctypes.data + 8 * _H_MUTEX, fd)

    @classmethod
    def private(cls, sizes: HistorySizes, zone: TimeZone | None = None) -> Self:
        """Makes an empty region for this process alone, gone with it."""
        region = cls(None, sizes, zone)
        region._lay_out()
        return region

    @classmethod
    def create(cls, sizes: HistorySizes, zone: TimeZone | None = None) -> Self:
        """Makes an empty region in memory, gone with the last process that has its descriptor.

        Raises OSError.
        """
        needed = 8 * words_of(sizes, sealed=True)
        check_file_limit(
            "the history that workers share, a file in memory,",
            needed,
            f"{_OR_SMALLER}, or serve with one worker",
        )
        fd = os.memfd_create("kuntur-history")
        try:
            os.ftruncate(fd, needed)
            region = cls(fd, sizes, zone)
        except BaseException:
            os.close(fd)
            raise
        region._lay_out()
        return region

    @classmethod
    def open(cls, path: Path, sizes: HistorySizes, zone: TimeZone | None = None) -> Self:
        """Opens the region in a file and checks it, or makes it.

        What is damaged is rebuilt, or set aside beside the file, and logged. Raises RegionError when another
        server uses it, when it has other sizes, another form or another time zone, when the machine went down
        with it open, or when there is no room for it; OSError when the file cannot be used.
        """
        zone = zone or time_zone()
        needed = 8 * words_of(sizes, sealed=True)
        check_file_limit(str(path), needed, _OR_SMALLER)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        there = path.exists()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                # Held by the open file, so by every process that inherits the descriptor.
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RegionError(f"{path} is in use by another server") from error
            size = os.fstat(fd).st_size
            fresh = size == 0
            check_room(path, fd, needed)
            damage = Damage(path)
            if not fresh:
                check_header(path, fd, sizes, zone, damage)
            if size < needed:
                os.ftruncate(fd, needed)
            region = cls(fd, sizes, zone)
        except BaseException:
            os.close(fd)
            raise
        region.path = path
        if fresh:
            if there or begun_before(path):
                damage.emptied(missing=not there)
            region._lay_out()
        else:
            if size < needed:
                damage.cut(size, needed)
            region._take_over(damage)
        remember_beginning(path)
        damage.tell()
        return region

    @classmethod
    def attach(cls, fd: int, sizes: HistorySizes | None = None, zone: TimeZone | None = None) -> Self:
        """Maps the region behind an inherited descriptor, which another process made and holds.

        sizes, zone: its sizes and time zone; by default those in its header. Raises RegionError when that is
        damaged, or the region is shorter than that.
        """
        if sizes is None:
            sizes, zone = sealed_sizes(fd)
        if os.fstat(fd).st_size < 8 * words_of(sizes, sealed=True):
            raise RegionError("the file of the history was cut: started again the server says what is lost")
        return cls(fd, sizes, zone, attached=True)

    def close(self) -> None:
        """Closes the region, marked as closed in order by whoever made or opened it."""
        if self.fd is None:
            return
        if not self._attached:
            if self.path is not None:
                self.memory[_H_OPEN] = self._checksum_of_open()
            try:
                # First all else: a disk writes pages in any order, and each is sound by itself.
                self._mapped.flush()
                self._write_header(closed=True)
                self._flush_header()
            except OSError as error:
                # Until the machine is restarted the next server finds it whole; the disk may not have it.
                self._write_header(closed=False)
                damage = Damage(self.path)
                damage.not_written(error)
                damage.tell()
            # The mapping has a descriptor of its own, which would keep the file locked.
            fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)

    def clear(self) -> None:
        """Makes it hold nothing. Nobody else uses it."""
        if self.fd is None:
            raise RegionError("a region of one process is begun anew with it")
        size = os.fstat(self.fd).st_size
        os.ftruncate(self.fd, 0)  # what was mapped reads as zeros from now on
        os.ftruncate(self.fd, size)
        self._lay_out()

    def load(self, path: Path) -> None:
        """Takes over what the file of another region holds. Nobody else uses this one.

        Raises RegionError where that is of other sizes or another release, in use, not closed in order, or
        damaged; `server.host.signals.StopWantedError`: this one then holds anything; OSError. One that holds
        a part only, for it was interrupted or killed, is empty when it is opened again.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # whoever opens it, changes it
            except BlockingIOError as error:
                raise RegionError(f"{path} is being changed by another process") from error
            check_header(path, descriptor, self.sizes, self.zone, Damage(path))
            if not was_closed(descriptor):
                raise RegionError(f"{path} was not closed in order")
            self.memory[_H_LOADING] = _LOADING
            memory = memoryview(self._mapped)
            for first, end in _extents(descriptor, 8 * words_of(self.sizes, sealed=True)):
                for at in range(max(first, 8 * PAGE_WORDS), end, 8 * _READ_WORDS):
                    end_if_stop_is_wanted()
                    part = os.pread(descriptor, min(8 * _READ_WORDS, end - at), at)
                    memory[at : at + len(part)] = part
            head = np.frombuffer(os.pread(descriptor, 8 * PAGE_WORDS, 0), dtype=np.int64)
        finally:
            os.close(descriptor)
        self.memory[_H_OPEN] = head[_H_OPEN]
        self.memory[_H_COUNTERS:PAGE_WORDS] = head[_H_COUNTERS:]
        self.mutex.initialise()
        self._write_header(closed=False)
        whole = self.history.roll_back(self.memory)
        damaged = [
            part for part, found in self.history.mend(self.sizes, self._starts, self._entries) if found
        ]
        # These rows have no seals: they are written for each transaction, and read for hardly any.
        if self.memory[_H_OPEN] != self._checksum_of_open():
            damaged.append("open")
        if damaged or not whole:
            raise RegionError(f"{path} is damaged ({', '.join(damaged) or 'undo log'})")
        self.memory[_H_LOADING] = 0

    def recover(self) -> None:
        """Undoes what a process that died had begun. The mutex is held."""
        if self.fd is None:
            return
        if not self.history.roll_back(self.memory):
            damage = Damage(self.path)
            damage.undo_log()
            self._mend(damage)
            damage.tell()
        elif not self.history.are_headers_usable():
            self.mend()

    def mend(self, *, say: bool = True) -> None:
        """Undoes a step that met damage, mends what is not as it was sealed; `say`: whether that is logged.

        All parts are checked. The mutex is held.
        """
        if self.fd is None:  # never sealed
            return
        damage = Damage(self.path)
        if not self.history.roll_back(self.memory):
            damage.undo_log()
        self._mend(damage)
        if say:
            damage.tell()

    def check_header(self) -> None:
        """Rewrites the header of the region if it is not as it was sealed. The mutex is held."""
        if self.fd is not None and self.memory[H_SEAL] != seal_of(self.memory, 0, H_SEAL):
            self._write_header(closed=False)
            damage = Damage(self.path)
            damage.header()
            damage.tell()

    def _mend(self, damage: Damage) -> None:
        taken = os.fstat(self.fd).st_blocks * 512 if self.fd is not None else 0
        if taken >= _LONG_BYTES:
            _LOG.info("looking the history through", mebibytes=taken >> 20)
        repairs: dict[str, Repair] = {}
        for part, found in self.history.mend(self.sizes, self._starts, self._entries):
            repairs[part] = found
            records = self.history.records_in_use().get(part)
            if taken >= _LONG_BYTES and records is not None:  # the other parts take no time
                _LOG.info("looked through", part=part, records=records)
        damage.parts(repairs)

    def _entries(self, first: int, words: int) -> int:
        """Counts the words of an index that are not 0, by reading the file: mapped they would take memory."""
        found = 0
        for word in range(first, first + words, _READ_WORDS):
            count = min(_READ_WORDS, first + words - word)
            found += int(
                np.count_nonzero(np.frombuffer(os.pread(self.fd or 0, 8 * count, 8 * word), np.int64))
            )
        return found

    def _checksum_of_open(self) -> int:
        """Returns a number for the features of the latest transactions, which is not 0."""
        return zlib.crc32(self.history.open.data) | 1 << 32

    def _write_header(self, *, closed: bool) -> None:
        header = header_of(self.sizes, self.zone, closed=closed)
        self.memory[: len(header)] = header

    def _flush_header(self) -> None:
        """Waits until the first page is on the disk. Raises OSError."""
        self._mapped.flush(0, 8 * PAGE_WORDS)

    def _lay_out(self) -> None:
        self.history.lay_out(self.sizes, self._starts)
        self.mutex.initialise()
        self._write_header(closed=False)  # last: a file without it was never finished

    def _take_over(self, damage: Damage) -> None:
        """Takes over the region of an earlier server, which nobody else uses."""
        # Before anything changes: what the disk has of it no longer counts as closed in order.
        self._write_header(closed=False)
        self._flush_header()
        if self.memory[_H_LOADING] == _LOADING:
            self.clear()
            return
        self.mutex.initialise()
        if not self.history.roll_back(self.memory):
            damage.undo_log()
        self._mend(damage)
