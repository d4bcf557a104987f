"""Addresses without a cluster behind them: told at once, with what to do."""

from __future__ import annotations

import socket

import pytest

from trainer.cluster import ClusterError, connected
from trainer.config import RaySettings


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
