from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from unittest.mock import Mock

import pytest

from kuntur.wire import MalformedError
from server.access import ANYONE, Caller
from server.rpc.admission.compression import OversizedMessageError, Unpacking, is_packed, unpacked
from server.rpc.admission.gates import Admission
from server.rpc.calls.edge import Edge
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.errors import ErrorTable
from server.settings.limits import Limits
from server.telemetry.metrics import ServerMetrics

_MOST = 100


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("size", [0, 1, _MOST - 1, _MOST])
def test_a_message_is_what_it_was_before_it_was_compressed(pack, size: int) -> None:  # type: ignore[no-untyped-def]
    message = bytes(range(_MOST))[:size]
    assert is_packed(pack(message))
    assert unpacked(pack(message), _MOST) == message


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("size", [_MOST + 1, 1000 * _MOST])
def test_a_message_beyond_the_limit_is_refused(pack, size: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OversizedMessageError):
        unpacked(pack(bytes(size)), _MOST)


def test_what_is_not_compressed_or_not_whole_is_left_as_it_is() -> None:
    whole = gzip.compress(b"message")
    for raw in (b"", b"\n\x05hello", whole[:-1], whole + b"more", b"\x1f\x8bxxxx", b"\x78\x01"):
        assert unpacked(raw, _MOST) == raw


def test_each_message_of_a_stream_has_a_turn_of_its_own_while_it_is_worked_on() -> None:
    unpacking = Unpacking(_MOST, 1)
    messages = unpacking.each(iter([gzip.compress(b"one"), b"two", gzip.compress(b"three")]))
    free = []
    for message in messages:
        taken = not unpacking.turn.acquire(blocking=False)
        if not taken:
            unpacking.turn.release()
        free.append((message, taken))
    assert free == [(b"one", True), (b"two", False), (b"three", True)]
    assert unpacking.turn.acquire(blocking=False)


def test_whoever_fails_at_a_message_gives_the_turn_back() -> None:
    unpacking = Unpacking(_MOST, 1)
    edge = Edge(Admission(Limits()), ErrorTable(1.0), ServerMetrics(), Lifetimes(60.0))
    edge.admission.unpacking = unpacking

    def fail(messages: Iterator[bytes], _: Caller) -> bytes:
        next(messages)
        raise MalformedError("no message")

    kept = []
    for behaviour in (
        edge.stream_to_unary(fail, "/a/b"),
        edge.stream_to_stream(lambda its: iter([fail(its, ANYONE)]), "/a/c"),
    ):
        context = Mock()
        context.abort_with_status.side_effect = RuntimeError("ended")
        with pytest.raises(RuntimeError, match="ended") as caught:
            list(behaviour(iter([gzip.compress(b"message")]), context))
        kept.append(caught)  # with all that its traceback leads to
        assert unpacking.turn.acquire(blocking=False)
        unpacking.turn.release()


def test_no_more_messages_are_decompressed_at_a_time_than_have_a_turn() -> None:
    unpacking = Unpacking(_MOST, 2)
    at_work, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal at_work, most
        for _ in unpacking.each(iter([gzip.compress(b"message")] * 20)):
            with lock:
                at_work += 1
                most = max(most, at_work)
            threading.Event().wait(0.001)
            with lock:
                at_work -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 2
