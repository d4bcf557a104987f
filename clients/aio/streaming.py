"""The asyncio twin of `clients.sync.streaming`: scores transactions over one ScoreStream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable

from clients.aio.frames import AsyncFrameStream
from clients.errors import KunturError
from clients.stubs import Stubs
from clients.sync.frames import FrameAnswer
from clients.values.scores import ItemError, Score, result_from_proto
from kuntur.scores import ReasonsMode
from kuntur.transaction import Transaction
from kuntur.values import to_proto

_Waiting = deque[tuple[list[str], asyncio.Future[FrameAnswer]]]


async def streamed_scores(
    stubs: Stubs,
    transactions: Iterable[Transaction] | AsyncIterable[Transaction],
    frame_transactions: int,
    max_in_flight_frames: int,
    reasons: ReasonsMode = ReasonsMode.REVIEWED,
) -> AsyncIterator[Score | ItemError]:
    """Yields the answers in the order of the transactions; opens the stream when the first is asked for.

    Raises KunturError when the stream breaks, after every answer that came before.
    """
    stream = AsyncFrameStream(stubs, max_in_flight_frames, reasons)
    waiting: _Waiting = deque()
    try:
        async for frame in _frames(transactions, frame_transactions):
            if len(waiting) == max_in_flight_frames:
                for each in await _first(waiting):
                    yield each
            try:
                answer = await stream.send([to_proto(each) for each in frame])
            except KunturError:
                while waiting:  # what came before the end; raises at the first frame without an answer
                    for each in await _first(waiting):
                        yield each
                raise
            waiting.append(([each.transaction_id for each in frame], answer))
            while waiting and waiting[0][1].done():
                for each in await _first(waiting):
                    yield each
        while waiting:
            for each in await _first(waiting):
                yield each
        await stream.close()
    finally:
        await stream.cancel()
        for _, answer in waiting:
            answer.exception()  # read, so that asyncio does not report it as forgotten


async def _frames(
    transactions: Iterable[Transaction] | AsyncIterable[Transaction], frame_transactions: int
) -> AsyncIterator[list[Transaction]]:
    """Cuts transactions into frames as they come."""
    frame: list[Transaction] = []
    if isinstance(transactions, AsyncIterable):
        async for transaction in transactions:
            frame.append(transaction)
            if len(frame) == frame_transactions:
                yield frame
                frame = []
    else:
        for transaction in transactions:
            frame.append(transaction)
            if len(frame) == frame_transactions:
                yield frame
                frame = []
    if frame:
        yield frame


async def _first(waiting: _Waiting) -> list[Score | ItemError]:
    """Takes the oldest frame, waits for its answer and reads it."""
    transaction_ids, answer = waiting.popleft()
    results = (await answer).results
    return [result_from_proto(*pair) for pair in zip(results, transaction_ids, strict=True)]
