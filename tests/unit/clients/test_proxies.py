from __future__ import annotations

import grpc
import pytest

from clients import Client, ClientConfig, Unavailable
from clients.cli.faults import sentence
from clients.proxies import never_by_proxy, proxy_in_force
from tests.fakes.scoring_server import FakeServer
from tests.unit.clients.conftest import transactions

PROXY = {"https_proxy": "http://teller:secret@proxy.bank.example:3128"}


@pytest.mark.parametrize(
    "target",
    [
        "localhost:50051",
        "LOCALHOST:50051",
        "scorer.localhost:50051",
        "127.0.0.1:50051",
        "127.8.0.1",
        "[::1]:50051",
        "::1",
        "ipv4:127.0.0.1:50051",
        "ipv6:[::1]:50051",
        "ipv6:%5B::1%5D:50051",
        "dns:///localhost:50051",
        "dns://8.8.8.8/localhost:50051",
        "unix:/run/kuntur.sock",
        "unix-abstract:kuntur",
    ],
)
def test_this_machine_is_never_asked_by_proxy(target: str) -> None:
    assert never_by_proxy(target)
    assert dict(ClientConfig().channel_options(target))["grpc.enable_http_proxy"] == 0
    assert proxy_in_force(target, PROXY) is None


@pytest.mark.parametrize(
    "target", ["scores.bank.example:50051", "dns:///10.0.0.7:50051", "[fd00::7]:50051", "localhosts:1"]
)
def test_other_machines_go_by_the_proxy_that_the_environment_names(target: str) -> None:
    assert not never_by_proxy(target)
    assert dict(ClientConfig().channel_options(target))["grpc.enable_http_proxy"] == 1
    told = proxy_in_force(target, PROXY)
    assert told is not None
    assert "proxy.bank.example:3128 (https_proxy is set)" in told
    assert "secret" not in told
    assert "teller" not in told


@pytest.mark.parametrize(
    "listed", ["bank.example", ".bank.example", "x, scores.bank.example", "SCORES.bank.example"]
)
def test_a_host_that_no_proxy_lists_is_called_directly(listed: str) -> None:
    assert proxy_in_force("scores.bank.example:50051", {**PROXY, "no_proxy": listed}) is None


def test_a_network_that_no_proxy_lists_is_called_directly() -> None:
    assert proxy_in_force("10.1.2.3:50051", {**PROXY, "no_proxy": "10.0.0.0/8"}) is None
    assert proxy_in_force("11.1.2.3:50051", {**PROXY, "no_proxy": "10.0.0.0/8"}) is not None


def test_an_environment_without_a_proxy_is_not_mentioned() -> None:
    assert proxy_in_force("scores.bank.example:50051", {"https_proxy": ""}) is None


def test_a_server_on_this_machine_answers_whatever_the_proxy(
    monkeypatch: pytest.MonkeyPatch, server: FakeServer
) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: no proxy answers there
    for name in ("no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Client(server.address) as client:
        assert client.score(transactions(1)[0]).transaction_id == "t-0"


def test_a_proxy_that_stands_between_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("grpc_proxy", "http://teller:secret@127.0.0.1:9")
    for name in ("no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    config = ClientConfig(server="192.0.2.1:50051", max_attempts=1)  # an address for documentation
    with Client(config=config) as client, pytest.raises(Unavailable) as caught:
        client.score(transactions(1)[0], timeout_seconds=30)
    told = sentence(caught.value, config.server)
    assert "Calls to 192.0.2.1 go by the proxy 127.0.0.1:9 (grpc_proxy is set)" in told
    assert "secret" not in told
    assert caught.value.details.code is grpc.StatusCode.UNAVAILABLE
