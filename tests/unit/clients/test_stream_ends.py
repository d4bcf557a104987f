"""A stream that the server ended while a request was being written says what the server said."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest

from clients import AsyncClient, ClientConfig, KunturError, Overloaded
from clients.aio.ends import StreamEnd
from kuntur.values import to_proto
from tests.fakes.scoring_server import FakeServer, status
from tests.unit.clients.conftest import transactions

CUT_SHORT = (grpc.StatusCode.INTERNAL, "Internal error from Core")
REFUSED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many frames")


class FakeCall:
    """A stream of grpc.aio whose statuses follow each other as a test says."""

    def __init__(self) -> None:
        self.status = CUT_SHORT
        self.callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.callbacks.append(callback)

    def end(self, status: tuple[grpc.StatusCode, str]) -> grpc.aio.AioRpcError:
        """Sets a status, as grpc.aio does: callbacks hear only of the first."""
        self.status = status
        while self.callbacks:
            self.callbacks.pop()(self)
        return grpc.aio.AioRpcError(status[0], grpc.aio.Metadata(), grpc.aio.Metadata(), status[1])

    async def code(self) -> grpc.StatusCode:
        return self.status[0]

    async def details(self) -> str:
        return self.status[1]

    async def initial_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(("of", self.status[1]))


class WaitingCall(FakeCall):
    """A call whose code cannot be had at once."""

    async def code(self) -> grpc.StatusCode:
        await asyncio.sleep(0)
        return self.status[0]


def cause(*statuses: tuple[grpc.StatusCode, str], call: FakeCall | None = None) -> grpc.RpcError:
    """Returns the cause found for a stream that had each of these statuses in turn."""
    call = call or FakeCall()

    async def story() -> grpc.RpcError:
        end = StreamEnd(call)  # type: ignore[arg-type]
        raised = call.end(statuses[0])
        for each in statuses[1:]:
            if each == CUT_SHORT:
                raised = call.end(each)
            else:
                asyncio.get_running_loop().call_later(0.005, call.end, each)
        return await end.cause(raised)

    return asyncio.run(story())


@pytest.mark.parametrize(
    "statuses",
    [(REFUSED,), (REFUSED, CUT_SHORT), (CUT_SHORT, REFUSED)],
    ids=["said-at-once", "said-before-the-write-failed", "said-after-it"],
)
def test_the_cause_is_what_the_server_said(statuses: tuple[tuple[grpc.StatusCode, str], ...]) -> None:
    found = cause(*statuses)
    assert (found.code(), found.details()) == REFUSED


def test_the_metadata_of_the_server_comes_with_it() -> None:
    found = cause(REFUSED, CUT_SHORT)
    assert str(REFUSED[1]) in str(found.trailing_metadata())


def test_a_status_that_cannot_be_had_at_once_is_read_when_asked_for() -> None:
    found = cause(CUT_SHORT, REFUSED, call=WaitingCall())
    assert found.code() is REFUSED[0]


def test_a_write_that_failed_by_itself_stays_what_it_is() -> None:
    found = cause(CUT_SHORT)
    assert (found.code(), found.details()) == CUT_SHORT


def test_a_stream_refused_while_it_is_written_to_is_always_refused(
    server: FakeServer, config: ClientConfig
) -> None:
    server.behaviour.always["ScoreStream"] = status(grpc.StatusCode.CANCELLED)
    message = [to_proto(each) for each in transactions(1)]
    pauses = random.Random(7)

    async def refusal(client: AsyncClient) -> object:
        stream = client.frame_stream(4)
        answers = []
        with suppress(KunturError):  # the first frame tells
            for _ in range(2):
                answers.append(await stream.send(message))
                await asyncio.sleep(pauses.random() * 0.002)
        found = await asyncio.gather(*answers, return_exceptions=True)
        await stream.cancel()
        return found[0]

    async def story() -> list[object]:
        async with AsyncClient(config=config) as client:
            return [await refusal(client) for _ in range(200)]

    assert {type(each) for each in asyncio.run(story())} == {Overloaded}
