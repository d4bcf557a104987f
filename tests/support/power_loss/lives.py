"""Servers' journals on a machine that loses its power again and again, and what must be true after each loss.

Between two losses a machine runs one server's journal after the other, which are closed or killed; threads
place entries, and the disk is full or fails for a moment. At any event of that the power may go.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog

import server.journal.buffer
import server.journal.writer
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.journal.file import journal_files, read_entries
from kuntur.journal.sealing import KeyRing
from kuntur.journal.v1 import journal_pb2
from server.journal import JournalWriter
from server.journal.form import FILE_NAME, LEAST_BYTES
from tests.support.power_loss.lost import Disk
from tests.support.power_loss.recording import Recorder
from tests.support.signed_journals import payloads

_THREADS, _MOST_BYTES, _MAX_FILE_BYTES = 3, 1_500, 6_000
_WAIT_S = 60.0


def opened(directory: Path, keys: KeyRing | None) -> JournalWriter:
    """Opens the journal of a server with `durability = "disk"`."""
    return JournalWriter(
        directory,
        buffer_bytes=LEAST_BYTES,
        max_file_bytes=_MAX_FILE_BYTES,
        sync_interval_s=1.0,
        at_once=True,
        keys=keys,
    )


def written(directory: Path, keys: KeyRing | None) -> list[bytes]:
    """Returns the entries of the files of a journal, byte for byte; fails where one is not in its place."""
    found = [payload for path in journal_files(directory) for payload in payloads(path, keys)]
    assert [entry.sequence for entry in read_entries(directory, keys=keys)] == list(range(1, len(found) + 1))
    return found


def kill(writer: JournalWriter) -> None:
    """Frees what the process of a writer held, once its thread has ended."""
    if writer._writer._file is not None:
        os.close(writer._writer._file)
        writer._writer._file = None
    writer._writer._lock.close()
    writer.buffer.close()


class Machine:
    """A machine whose power goes again and again."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int, keys: KeyRing | None = None
    ) -> None:
        self.folder, self.chance, self.keys = folder, random.Random(seed), keys
        self.log: dict[int, bytes] = {}
        """The entries that there are, by their sequences."""
        self.promised = 1
        """Sequence before which all are said to be on the disk."""
        self.states = self.events = self.torn = 0
        """How many folders were made and opened; recorded events; torn tails that were set aside."""
        self._patch, self._names, self._starts = monkeypatch, count(1), count(1)
        monkeypatch.setattr(server.journal.writer, "_FIRST_PAUSE_S", 0.002)
        monkeypatch.setattr(server.journal.buffer, "boot_number", lambda: self._boot)
        monkeypatch.setattr(threading, "excepthook", lambda _: None)  # for threads of what is killed
        self._boot = 0
        self._root = self._new()
        self._root.mkdir(parents=True)

    def run(self, lives: int, size: int, *, every: int = 1) -> None:
        """Runs so many servers, each of which takes so many entries; then has the power go.

        every: each so-manieth event is followed by a loss that is looked at; the last of all lasts.
        """
        with structlog.testing.capture_logs():
            self._run(lives, size, every)

    def _run(self, lives: int, size: int, every: int) -> None:
        self._boot = next(self._starts)
        disk = Disk()
        recorder = Recorder(self._root, FILE_NAME, lambda: self.promised)
        for _, event in recorder.events:  # what is found at the start
            disk.apply(event)
        disk.all_synced()
        recorder.events.clear()
        with self._patch.context() as patch:
            recorder.install(patch)
            for _ in range(lives):
                self._live(recorder, size)
        events = [*recorder.events, (self.promised, None)]
        self.events += len(events)
        lasting = self.chance.randrange(len(events))
        for number, (promised, event) in enumerate(events):
            if number == lasting:
                root, kept = self._new(), promised
                disk.build(root, self.chance)
            if number % every == 0 or event is None:
                self._look(disk, promised)
            if event is not None:
                disk.apply(event)
        self._root, self.promised = root, kept

    def _new(self) -> Path:
        return self.folder / f"{next(self._names)}"

    def _live(self, recorder: Recorder, size: int) -> None:
        """Runs one server."""
        chance = self.chance
        writer = opened(self._root / "journal", self.keys)
        self._found(writer)
        recorder.promised = lambda: writer.buffer.first_kept
        writer.start()
        lock, until = threading.Lock(), len(self.log) + size
        faults = {chance.randrange(size): chance.choice(("pwrite", "fsync")) for _ in range(2)}
        threads = [
            threading.Thread(target=self._place, args=(writer, recorder, lock, until, faults, number))
            for number in chance.sample(range(1 << 30), _THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if chance.random() < 0.5:
            _until(lambda: not writer.buffer.unavailable)
            writer.close()
        else:
            recorder.killed = True
            writer._closing.set()
            writer._thread.join()
            recorder.killed = False
            recorder.failing.clear()
            self.promised = writer.buffer.first_kept
            kill(writer)
        if writer.buffer.fd < 0:
            self.promised = max(self.promised, writer.buffer.first_kept)
        recorder.promised = lambda: self.promised
        recorder.look()

    def _found(self, writer: JournalWriter) -> None:
        """Checks what a server finds; what was not promised may be gone."""
        following = writer.buffer.next_sequence
        assert following >= self.promised, f"entry {following:,} was said to be on the disk"
        found = list(writer.entries_from(1))
        assert [entry.sequence for entry in found] == list(range(1, following))
        for entry in found:
            assert entry == journal_pb2.Entry.FromString(self.log[entry.sequence])
        for sequence in [each for each in self.log if each >= following]:
            del self.log[sequence]
        self.promised = writer.buffer.first_kept

    def _place(
        self,
        writer: JournalWriter,
        recorder: Recorder,
        lock: threading.Lock,
        until: int,
        faults: dict[int, str],
        seed: int,
    ) -> None:
        chance, buffer = random.Random(seed), writer.buffer
        while True:
            one = _entry(chance)
            with lock:
                if len(self.log) >= until:
                    return
                if chance.random() < 0.1:
                    buffer.place(_entry(chance))  # never becomes an entry
                    recorder.look()
                if not buffer.place(one):
                    continue
                sequence = buffer.next_sequence
                self.log[sequence] = _numbered(sequence, one)
                assert buffer.write_down() == sequence
                if fault := faults.pop(until - sequence, None):
                    recorder.failing[fault] = chance.randrange(1, 3)
                if chance.random() < 0.3:
                    recorder.look()
            if chance.random() < 0.5:  # as an answer waits
                _until(lambda sequence=sequence: buffer.first_kept > sequence)  # type: ignore[misc]

    def _look(self, disk: Disk, promised: int) -> None:
        """Has the power go, and a server start on what is left."""
        root = self._new()
        disk.build(root, self.chance)
        self._boot, boot = next(self._starts), self._boot
        self.states += 1
        writer = opened(root / "journal", self.keys)
        self.torn += writer.set_aside_bytes > 0
        following = writer.buffer.next_sequence
        expected = [self.log[sequence] for sequence in range(1, following)]
        assert following >= promised, f"entry {following:,} was said to be on the disk; see {root}"
        for _ in range(2):
            one = _entry(self.chance)
            assert writer.buffer.place(one)
            expected.append(_numbered(writer.buffer.write_down(), one))
        writer.start()
        writer.close()
        found = written(root / "journal", self.keys)
        differing = [n for n, pair in enumerate(zip(found, expected, strict=False), 1) if pair[0] != pair[1]]
        assert (len(found), differing) == (len(expected), []), f"{differing} differ; see {root}"
        shutil.rmtree(root)
        self._boot = boot


def _entry(chance: random.Random) -> bytes:
    return entries.admission(RequestKind.BACKFILL, [chance.randbytes(chance.randrange(_MOST_BYTES))])


def _numbered(sequence: int, entry: bytes) -> bytes:
    return journal_pb2.Entry(sequence=sequence).SerializeToString() + entry


def _until(happened: Callable[[], Any]) -> None:
    end = time.monotonic() + _WAIT_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.0005)
