"""Addresses without a cluster behind them: told at once, with what to do."""

from __future__ import annotations

import socket

import pytest
import ray

from trainer.cluster.connection import ClusterError, connected
from trainer.settings.searching import RaySettings


def refusal(address: str) -> str:
    with pytest.raises(ClusterError) as caught, connected(RaySettings(address=address)):
        pass
    return str(caught.value)


def test_an_address_where_nothing_listens_is_told_without_ray_s_retries() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert "nothing answers at" in refusal(address)


def test_addresses_of_no_cluster_are_refused() -> None:
    assert "start the trainer on a node of the cluster" in refusal("ray://head:10001")
    assert "give HOST:PORT" in refusal("local")
    assert "nonsense" in refusal("nonsense")


class TimedOutError(Exception):
    """As Ray's: of no type that one could name."""


TOO_LONG = "The current node timed out during startup."


def starts(monkeypatch: pytest.MonkeyPatch, failing: int, told: str = TOO_LONG) -> list[str]:
    """Lets Ray's start fail so often, and gives the addresses it was asked for."""
    seen: list[str] = []

    def init(address: str, **_: object) -> None:
        seen.append(address)
        if len(seen) <= failing:
            raise TimedOutError(told)

    monkeypatch.setattr(ray, "init", init)
    return seen


@pytest.mark.parametrize("told", [TOO_LONG, "Timed out waiting for file /tmp/ray/session/gcs_server_port_a0"])
def test_a_start_that_took_too_long_is_tried_again(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    seen = starts(monkeypatch, failing=2, told=told)
    with connected(RaySettings()):
        pass
    assert seen == ["local"] * 3


def test_a_machine_on_which_ray_never_starts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = starts(monkeypatch, failing=9)
    with pytest.raises(ClusterError, match="did not start on this machine in 3 attempts"):
        connected(RaySettings()).__enter__()
    assert len(seen) == 3
