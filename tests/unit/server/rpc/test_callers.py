from __future__ import annotations

from typing import Any

import pytest

from server.rpc.admission.callers import CallerNames, Callers


class Context:
    """What names a caller, as gRPC gives it."""

    def __init__(self, peer: str = "ipv4:10.0.0.1:5000", identities: Any = None, metadata: Any = ()) -> None:
        self._peer, self._identities, self._metadata = peer, identities, metadata

    def peer(self) -> str:
        return self._peer

    def peer_identities(self) -> Any:
        return self._identities

    def invocation_metadata(self) -> Any:
        return self._metadata


NAMED = (("user-agent", "grpc"), ("x-caller", "bank-a"))


@pytest.mark.parametrize(
    ("context", "key", "name"),
    [
        (Context(), "", "ipv4:10.0.0.1"),
        (Context(peer="ipv6:%5B::1%5D:5000"), "x-caller", "ipv6:%5B::1%5D"),
        (Context(peer="unix:/run/a:b"), "", "unix:/run/a:b"),
        (Context(metadata=NAMED), "", "ipv4:10.0.0.1"),
        (Context(metadata=NAMED), "x-caller", "named:bank-a"),
        (Context(metadata=NAMED), "X-Caller", "named:bank-a"),
        (Context(metadata=NAMED, identities=[b"spiffe://bank/b"]), "x-caller", "tls:spiffe://bank/b"),
    ],
)
def test_callers_go_by_tls_then_by_metadata_then_by_address(context: Any, key: str, name: str) -> None:
    assert CallerNames(key).of(context) == name


def test_no_caller_has_a_name_longer_than_256_characters() -> None:
    context: Any = Context(metadata=(("x-caller", "a" * 100_000),))
    assert len(CallerNames("x-caller").of(context)) == len("named:") + 256


def test_a_caller_has_as_many_as_its_limit_and_is_forgotten_when_it_has_none() -> None:
    callers = Callers(2)
    assert [callers.enter("a") for _ in range(3)] == [True, True, False]
    assert callers.enter("b")
    assert len(callers) == 2
    for caller in ("a", "b", "a"):
        callers.leave(caller)
    assert len(callers) == 0
    assert callers.enter("a")
