from __future__ import annotations

from server.errors import OverloadedError, RequestTimeoutError, ServerError
from server.rpc.admission.unread import UnreadAnswers

_MOST = 400  # of which one connection has 100


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Call:
    """A call of a connection, and what cut it off."""

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self.error: ServerError | None = None

    def peer(self) -> object:
        return self._connection

    def cut(self, error: ServerError) -> None:
        self.error = error


def test_an_answer_that_is_not_read_in_time_ends_its_call_and_that_of_a_stream_may_wait() -> None:
    clock = Clock()
    unread = UnreadAnswers(5.0, _MOST, clock)
    call, stream, read = Call("a"), Call("a"), Call("a")
    unread.add(call, 10, timed=True)
    unread.add(stream, 10, timed=False)
    unread.add(read, 10, timed=True)
    clock.now += 5.0
    unread.end()
    assert call.error is None
    unread.remove(read)
    clock.now += 0.1
    unread.end()
    assert isinstance(call.error, RequestTimeoutError)
    assert (stream.error, read.error) == (None, None)
    assert unread.bytes == 10


def test_beyond_the_bytes_in_all_those_are_cut_off_that_have_waited_for_longest() -> None:
    clock = Clock()
    unread = UnreadAnswers(5.0, _MOST, clock)
    calls = [Call(f"connection {number}") for number in range(10)]
    for call in calls:
        unread.add(call, 50, timed=False)
        clock.now += 0.01
    unread.add(calls[0], 50, timed=False)  # it reads: this is its next answer
    unread.end()
    assert [call.error is not None for call in calls] == [False, True, True, *[False] * 7]
    assert all(isinstance(call.error, OverloadedError) for call in calls[1:3])
    assert unread.bytes == _MOST


def test_a_connection_has_a_share_once_it_has_not_read_for_a_while() -> None:
    clock = Clock()
    unread = UnreadAnswers(5.0, _MOST, clock)
    greedy, other = [Call("greedy") for _ in range(4)], Call("other")
    for call in greedy:
        unread.add(call, 50, timed=False)
    unread.add(other, 100, timed=False)
    unread.end()
    assert [call.error for call in (*greedy, other)] == [None] * 5
    clock.now += 1.1
    unread.end()
    errors = [call.error for call in greedy]
    assert [error is not None for error in errors] == [True, True, False, False]
    assert isinstance(errors[0], OverloadedError)
    assert errors[0].scope == "caller"
    assert other.error is None


def test_what_has_left_is_counted_no_more() -> None:
    unread = UnreadAnswers(5.0, _MOST)
    call = Call("a")
    unread.add(call, 50, timed=False)
    unread.add(call, 70, timed=False)
    assert (unread.bytes, len(unread)) == (70, 1)
    unread.remove(call)
    unread.remove(call)
    assert (unread.bytes, len(unread)) == (0, 0)
