"""Calls that are worked on together are answered as if they had come one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import server.assembly.services
from kuntur.api.v1 import score_pb2, scoring_service_pb2
from kuntur.journal.entries import RequestKind
from kuntur.journal.exchanges import read_exchanges
from server.access import ANYONE
from server.app import ServerApp
from server.rpc.endpoints.scoring import ScoringEndpoint
from tests.support.bundles import publish
from tests.support.examples import examples
from tests.support.serving import EVENT_TIME, settings_for, transaction, unary, wait_until

_NUMBERS = itertools.count()


class Endpoint:
    """A server's own, without gRPC."""

    def __init__(self, registry: Path, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found: list[ScoringEndpoint] = []

        def keep(*arguments: Any) -> ScoringEndpoint:
            found.append(ScoringEndpoint(*arguments))
            return found[-1]

        monkeypatch.setattr(server.assembly.services, "ScoringEndpoint", keep)
        self.journal = journal
        self.app = ServerApp(settings_for(registry, journal={"path": journal}))
        self.app.start()
        wait_until(lambda: self.app.slot.live is not None)
        self.endpoint = found[0]

    def one_by_one(self, raws: list[bytes], *, frames: bool = False) -> list[bytes | Exception]:
        answer = self.endpoint.score_frame if frames else self.endpoint.score_transaction
        outcomes: list[bytes | Exception] = []
        for raw in raws:
            try:
                outcomes.append(answer(raw, ANYONE))
            except Exception as error:
                outcomes.append(error)
        return outcomes

    def together(self, raws: list[bytes], *, frames: bool = False) -> list[bytes | Exception]:
        """Returns what all come to at once, or where they do not go together, one after the other."""
        before = self.app.history.counts()
        answers = self.endpoint.score_frames if frames else self.endpoint.score_transactions
        try:
            outcomes = answers(raws, [ANYONE] * len(raws))
        except Exception as error:
            outcomes = [error] * len(raws)
        if outcomes is None:
            assert self.app.history.counts() == before
            return self.one_by_one(raws, frames=frames)
        return outcomes


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Endpoint]]:
    folder = tmp_path_factory.mktemp("gathered")
    publish(folder / "registry", "m-1")
    with pytest.MonkeyPatch.context() as patch:
        pair = tuple(Endpoint(folder / "registry", folder / name, patch) for name in ("a", "b"))
    yield pair[0], pair[1]
    for each in pair:
        each.app.stop()
    # What reached the disk is the same as well: the same requests in the same order. What came again, or was
    # refused, is not written down unless it came together with others.
    first, second = (
        dict.fromkeys(
            (found.kind, found.request, found.refused)
            for found in read_exchanges(each.journal)
            if found.kind != RequestKind.SCORE_TRANSACTION or not found.refused
        )
        for each in pair
    )
    assert list(first) == list(second)
    assert first


def _request(number: int, account: int, amount: int, change: str) -> bytes:
    """Returns a request: mostly a good one, else a kind that is not read together or is refused."""
    message = transaction(
        f"t-{number}",
        account_id="" if change == "violates" else f"a-{account}",
        amount_minor=amount,
        event_time=EVENT_TIME + timedelta(seconds=number),
        attributes={"risk_band": float(account)} if change == "attribute" else {},
    )
    request = unary(message)
    if change == "reasons":
        request.reasons_mode = score_pb2.REASONS_MODE_ALL
    raw = request.SerializeToString()
    if change == "malformed":
        return raw[:-1]
    if change == "two":
        return raw + raw
    if change == "inside":  # of the right length, with something that is no transaction
        return raw[:3] + b"\xff" * (len(raw) - 3)
    return b"" if change == "empty" else raw


_CHANGES = (
    "",
    "",
    "",
    "",
    "violates",
    "attribute",
    "reasons",
    "malformed",
    "two",
    "inside",
    "empty",
    "again",
)


@examples(150)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 10**7), st.sampled_from(_CHANGES)),
        min_size=1,
        max_size=12,
    ),
    st.booleans(),
)
def test_together_is_one_after_the_other(
    endpoints: tuple[Endpoint, Endpoint], drawn: list[tuple[int, int, str]], only_good: bool
) -> None:
    raws: list[bytes] = []
    for account, amount, change in drawn:
        if change == "again" and raws:
            raws.append(raws[-1])
        else:
            kind = change if not only_good or change in {"violates", "attribute"} else ""
            raws.append(_request(next(_NUMBERS), account, amount, kind))
    together, alone = endpoints
    found, expected = together.together(raws), alone.one_by_one(raws)
    assert list(map(_told, found)) == list(map(_told, expected))
    assert together.app.history.counts() == alone.app.history.counts()


@examples(150)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9), st.sampled_from([*[""] * 8, "reasons", "violates", "malformed", "no mode"])
        ),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_frames_together_are_one_after_the_other(
    endpoints: tuple[Endpoint, Endpoint], drawn: list[tuple[int, str]], alike: bool
) -> None:
    raws = [_frame(size, drawn[0][1] if alike else change) for size, change in drawn]
    together, alone = endpoints
    found, expected = together.together(raws, frames=True), alone.one_by_one(raws, frames=True)
    assert list(map(_told, found)) == list(map(_told, expected))
    assert together.app.history.counts() == alone.app.history.counts()


def test_good_frames_go_together(endpoints: tuple[Endpoint, Endpoint]) -> None:
    raws = [_frame(size, "reasons") for size in (1, 3, 1)]
    found = endpoints[0].endpoint.score_frames(raws, [ANYONE] * len(raws))
    assert list(map(_told, found or [])) == list(map(_told, endpoints[1].one_by_one(raws, frames=True)))


def _frame(size: int, change: str) -> bytes:
    """Returns a frame: mostly a good one, else with reasons, a refused transaction, or something wrong."""
    numbers = [next(_NUMBERS) for _ in range(size)]
    messages = [
        transaction(
            f"t-{number}",
            account_id="" if change == "violates" and number == numbers[-1] else f"a-{number % 3}",
            event_time=EVENT_TIME + timedelta(seconds=number),
        )
        for number in numbers
    ]
    request = scoring_service_pb2.ScoreStreamRequest(transactions=messages)
    if change == "reasons":
        request.reasons_mode = score_pb2.REASONS_MODE_ALL
    if change == "no mode":
        request.reasons_mode = 99  # type: ignore[assignment]  # whatever a caller sends
    raw = request.SerializeToString()
    return raw[:-1] if change == "malformed" else raw


def _told(outcome: bytes | Exception) -> Any:
    if isinstance(outcome, bytes):
        return outcome
    return type(outcome), str(outcome), getattr(outcome, "violations", None)
