"""Scores transactions over one ScoreStream, as they are taken from an iterable."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import islice

from clients.errors import KunturError
from clients.stubs import Stubs
from clients.sync.frames import FrameAnswer, FrameStream
from clients.values.scores import ItemError, Score, result_from_proto
from kuntur.scores import ReasonsMode
from kuntur.transaction import Transaction
from kuntur.values import to_proto

_Waiting = deque[tuple[list[str], Future[FrameAnswer]]]


def streamed_scores(
    stubs: Stubs,
    transactions: Iterable[Transaction],
    frame_transactions: int,
    max_in_flight_frames: int,
    reasons: ReasonsMode = ReasonsMode.REVIEWED,
) -> Iterator[Score | ItemError]:
    """Yields the answers in the order of the transactions; opens the stream when the first is asked for.

    Raises KunturError when the stream breaks, after every answer that came before.
    """
    stream = FrameStream(stubs, max_in_flight_frames, reasons)
    waiting: _Waiting = deque()
    source = iter(transactions)
    try:
        while frame := list(islice(source, frame_transactions)):
            if len(waiting) == max_in_flight_frames:
                yield from _first(waiting)
            try:
                answer = stream.send([to_proto(each) for each in frame])
            except KunturError:
                yield from _all(waiting)  # what came before the end; raises at the first frame without
                raise
            waiting.append(([each.transaction_id for each in frame], answer))
            while waiting and waiting[0][1].done():
                yield from _first(waiting)
        yield from _all(waiting)
        stream.close()
    finally:
        stream.cancel()


def _all(waiting: _Waiting) -> Iterator[Score | ItemError]:
    """Takes every frame, oldest first."""
    while waiting:
        yield from _first(waiting)


def _first(waiting: _Waiting) -> Iterator[Score | ItemError]:
    """Takes the oldest frame, waits for its answer and reads it."""
    transaction_ids, answer = waiting.popleft()
    for transaction_id, result in zip(transaction_ids, answer.result().results, strict=True):
        yield result_from_proto(result, transaction_id)
