"""The journal as calls use it: in memory alone, with files behind it, and for a history that is elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.journal.v1 import journal_pb2
from server.errors import JournalUnavailableError
from server.journal import Buffer, Journal, JournalWriter, MemoryJournal, SharedJournal
from server.state.appending import Appender, prepare
from tests.support.serving import wait_until

_SIZE = 1 << 20


def entry(content: bytes) -> bytes:
    return entries.admission(RequestKind.BACKFILL, [content])


def put(journal: Journal, content: bytes) -> int:
    assert journal.place(entry(content), last_half=True)
    return journal.buffer.write_down()


def found(journal: Journal, sequence: int) -> bytes | None:
    one = journal.find(sequence)
    return None if one is None else one.admission.requests[0]


def test_a_journal_in_memory_keeps_the_latest_entries_and_never_waits() -> None:
    journal = MemoryJournal(Buffer.anonymous(_SIZE))
    sent = [b"%d" % number * (number % 500) for number in range(1, 5_001)]
    for number, content in enumerate(sent, 1):
        assert put(journal, content) == number
        journal.wait()
        journal.settle(number)
    kept = [found(journal, number) for number in range(1, 5_001)]
    first = next(number for number, content in enumerate(kept) if content is not None)
    assert 0 < first < 4_900
    assert kept[first:] == sent[first:]
    assert (journal.queued, journal.unavailable, journal.behind) == (0, None, False)
    journal.close()
    journal.close()


def test_a_journal_in_memory_takes_an_entry_of_any_size_that_its_buffer_may_hold() -> None:
    journal = MemoryJournal(Buffer.anonymous(_SIZE))
    for size in (10, 600_000, 10, 1_000_000, 700_000):
        assert found(journal, put(journal, bytes(size))) == bytes(size)


Opened = Callable[..., tuple[SharedJournal, JournalWriter]]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Opened]:
    """Opens a journal of a process that does not write it, and its writer, which was not started."""
    opened: list[tuple[SharedJournal, JournalWriter]] = []

    def start(
        *, to_disk: bool = False, told: list[bool] | None = None
    ) -> tuple[SharedJournal, JournalWriter]:
        writer = JournalWriter(
            tmp_path, buffer_bytes=_SIZE, max_file_bytes=_SIZE, sync_interval_s=0.01, at_once=to_disk
        )
        changes = [] if told is None else told
        buffer = Buffer.attach(os.dup(writer.buffer.fd))
        journal = SharedJournal(buffer, tmp_path, None, to_disk=to_disk, on_change=changes.append)
        opened.append((journal, writer))
        return journal, writer

    yield start
    for journal, writer in opened:
        journal.close()
        writer.close()


def test_an_entry_is_found_in_the_buffer_and_then_in_the_files(shared: Opened) -> None:
    journal, writer = shared()
    assert put(journal, b"0") == 1
    assert journal.queued == 1
    assert (found(journal, 1), found(journal, 2)) == (b"0", None)
    writer.start()
    wait_until(lambda: journal.queued == 0)
    for _ in range(20):  # the circle goes round
        sequence = put(journal, bytes(100_000))
        wait_until(lambda: journal.queued == 0)
    assert journal.buffer.read(1) is None
    assert (found(journal, 1), found(journal, sequence)) == (b"0", bytes(100_000))


def test_an_answer_leaves_at_once_unless_it_has_to_be_on_the_disk(shared: Opened) -> None:
    journal, _ = shared()
    journal.settle(put(journal, b"0"))
    assert not journal.behind


def test_an_answer_that_has_to_be_on_the_disk_waits_until_its_entry_is(shared: Opened) -> None:
    journal, writer = shared(to_disk=True)
    assert journal.behind
    settled = threading.Event()

    def settle(sequence: int) -> None:
        journal.settle(sequence)
        settled.set()

    waiting = threading.Thread(target=settle, args=(put(journal, b"0"),))
    waiting.start()
    assert not settled.wait(0.05)
    assert writer.buffer.first_kept == 1
    writer.start()
    waiting.join(60)
    assert settled.is_set()
    assert writer.buffer.first_kept == 2


def test_an_answer_that_cannot_come_to_the_disk_is_refused_and_one_nobody_writes_does_not_wait(
    shared: Opened,
) -> None:
    journal, writer = shared(to_disk=True)
    sequence = put(journal, b"0")
    writer.buffer.unavailable = True
    with pytest.raises(JournalUnavailableError):
        journal.settle(sequence)
    journal.wait()  # the writer may still make room
    writer.buffer.unavailable = False
    journal.abandon()
    for waits in (journal.wait, lambda: journal.settle(sequence)):
        with pytest.raises(JournalUnavailableError):
            waits()
    assert journal.unavailable is not None


def test_each_change_of_what_can_be_written_is_told(shared: Opened) -> None:
    told: list[bool] = []
    journal, writer = shared(told=told)
    assert journal.unavailable is None
    for available in (False, True, False):
        writer.buffer.unavailable = not available
        assert (journal.unavailable is None) == available
        wait_until(lambda available=available: told[-1:] == [available])
    assert told == [False, True, False]


def test_one_that_begins_as_unavailable_is_told_so_before_anything_else(tmp_path: Path) -> None:
    buffer, told = Buffer.anonymous(_SIZE), list[bool]()
    buffer.unavailable = True
    journal = SharedJournal(buffer, tmp_path, None, to_disk=False, on_change=told.append)
    assert told == [False]
    journal.close()
    journal.close()


def test_what_may_enter_waits_once_half_of_the_buffer_is_taken(shared: Opened) -> None:
    journal, _ = shared()
    assert journal.place(entry(bytes(_SIZE // 3)), last_half=False)
    journal.buffer.write_down()
    assert journal.behind
    assert not journal.place(entry(bytes(_SIZE // 3)), last_half=False)
    assert put(journal, bytes(_SIZE // 3)) == 2
    journal.wait()  # a moment


_APPENDS = """
import sys
from kuntur.journal import entries
from server.journal import Buffer, MemoryJournal
from server.state.appending import Appender
appender = Appender(MemoryJournal(Buffer.attach(int(sys.argv[1]))))
for number in range(int(sys.argv[3])):
    said = b"%s %d" % (sys.argv[2].encode(), number)
    appender.append(entries.admission(entries.RequestKind.BACKFILL, [said]))
"""


def test_processes_and_threads_append_one_after_the_other() -> None:
    buffer = Buffer.anonymous(4 << 20)
    prepare(buffer)
    journal = MemoryJournal(buffer)
    others = [
        subprocess.Popen([sys.executable, "-c", _APPENDS, str(buffer.fd), name, "2000"], pass_fds=[buffer.fd])
        for name in ("a", "b")
    ]
    appender, sequences = Appender(journal), dict[str, list[int]]()

    def append(name: str) -> None:
        sequences[name] = [appender.append(entry(b"%s %d" % (name.encode(), n))) for n in range(1_000)]

    threads = [threading.Thread(target=append, args=(name,)) for name in ("c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(120) for process in others] == [0, 0]
    written = [journal_pb2.Entry.FromString(raw) for raw in buffer.kept(1 << 62, 1)]
    assert [one.sequence for one in written] == list(range(1, 6_001))
    said = [one.admission.requests[0].split() for one in written]
    for name, count in ((b"a", 2_000), (b"b", 2_000), (b"c", 1_000), (b"d", 1_000)):
        assert [int(number) for who, number in said if who == name] == list(range(count))
    for name, given in sequences.items():
        assert [said[sequence - 1][0] for sequence in given] == [name.encode()] * 1_000


def test_an_appender_waits_for_room(shared: Opened) -> None:
    journal, writer = shared()
    prepare(journal.buffer)
    appender, appended = Appender(journal), list[int]()
    put(journal, bytes(900_000))
    waiting = threading.Thread(target=lambda: appended.append(appender.append(entry(bytes(500_000)))))
    waiting.start()
    writer.start()
    waiting.join(60)
    assert appended == [2]
