"""Certificates and tokens of the clients: what is sent, what is refused, and what a change of files does."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from clients import AsyncClient, Client, ClientConfig, KunturError, Unavailable, UnusableCredentials
from clients import credentials as looked_at
from tests.fakes.scoring_server import FakeServer
from tests.support.certificates import Authority, Pair, replace
from tests.support.serving import wait_until
from tests.unit.clients.conftest import transactions


@pytest.fixture(scope="module")
def servers() -> Authority:
    return Authority("Servers")


@pytest.fixture(scope="module")
def callers() -> Authority:
    return Authority("Callers")


@dataclass
class Secured:
    """A server that speaks TLS, and a client's files for it."""

    server: FakeServer
    folder: Path
    callers: Authority

    def config(self, **changes: Any) -> ClientConfig:
        files = {name: self.folder / f"{name}.pem" for name in ("ca", "certificate", "key")}
        given: dict[str, Any] = {"server": self.server.address, "timeout_seconds": 60.0, **files}
        return ClientConfig(**(given | changes))

    def show(self, pair: Pair) -> None:
        """Puts another certificate in the place of the client's."""
        replace(self.folder / "key.pem", pair.key)
        replace(self.folder / "certificate.pem", pair.certificate)

    def wait_for(self, name: str, call: Callable[[], Any] = lambda: None) -> None:
        """Waits until the server is called with a certificate of this name, calling meanwhile."""

        def seen() -> bool:
            call()
            return name in self.server.callers

        wait_until(seen)


@pytest.fixture
def secured(servers: Authority, callers: Authority, tmp_path: Path) -> Iterator[Secured]:
    with mutual(servers, callers, servers.server()) as server:
        replace(tmp_path / "ca.pem", servers.certificate)
        found = Secured(server, tmp_path, callers)
        found.show(callers.client("first"))
        yield found


def mutual(servers: Authority, callers: Authority, pair: Pair) -> FakeServer:
    """Returns a server that asks for certificates of the callers' authority."""
    return FakeServer(
        credentials=grpc.ssl_server_credentials(
            [(pair.key, pair.certificate)], callers.certificate, require_client_auth=True
        )
    )


@pytest.fixture(autouse=True)
def _looks_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looked_at, "LOOK_SECONDS", 0.0)


@dataclass
class Caller:
    """Either client, as one that is waited for."""

    call: Callable[[], Any]
    close: Callable[[], None]
    stream: Callable[[int], list[Any]]
    during: Callable[[Callable[[], None]], list[Any]]
    """Scores over one stream; in the middle of it something is done."""


def blocking(config: ClientConfig) -> Caller:
    client = Client(config=config)

    def during(act: Callable[[], None]) -> list[Any]:
        def taken() -> Iterator[Any]:
            yield from transactions(4)
            act()
            yield from transactions(4, 4)

        return list(client.score_stream(taken(), frame_transactions=2, max_in_flight_frames=1))

    return Caller(
        client.live_model, client.close, lambda count: client.score_many(transactions(count)), during
    )


def awaited(config: ClientConfig) -> Caller:
    loop = asyncio.new_event_loop()

    async def opened() -> AsyncClient:
        return AsyncClient(config=config)

    client = loop.run_until_complete(opened())

    async def scored(act: Callable[[], None]) -> list[Any]:
        async def taken() -> AsyncIterator[Any]:
            for each in transactions(4):
                yield each
            act()
            for each in transactions(4, 4):
                yield each

        stream = client.score_stream(taken(), frame_transactions=2, max_in_flight_frames=1)
        return [each async for each in stream]

    def close() -> None:
        loop.run_until_complete(client.close())
        loop.close()

    async def call() -> Any:
        answer = await client.live_model()
        await asyncio.sleep(0.001)  # so that what connects beside it goes on
        return answer

    return Caller(
        lambda: loop.run_until_complete(call()),
        close,
        lambda count: loop.run_until_complete(client.score_many(transactions(count))),
        lambda act: loop.run_until_complete(scored(act)),
    )


@pytest.fixture(params=[blocking, awaited])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[ClientConfig], Caller]]:
    opened: list[Caller] = []

    def make(config: ClientConfig) -> Caller:
        opened.append(request.param(config))
        return opened[-1]

    yield make
    for caller in opened:
        caller.close()


Connect = Callable[[ClientConfig], Caller]


def test_a_client_shows_its_certificate_and_checks_the_servers(secured: Secured, connect: Connect) -> None:
    caller = connect(secured.config())
    assert caller.call().model_version == "m-1"
    assert len(caller.stream(10)) == 10
    assert set(secured.server.callers) == {"first"}
    assert set(secured.server.authorizations) == {None}


def test_a_change_of_certificate_takes_over_without_a_failed_call(secured: Secured, connect: Connect) -> None:
    caller = connect(secured.config())
    for name in ("second", "third"):
        caller.call()
        secured.show(secured.callers.client(name))
        secured.wait_for(name, caller.call)
    assert [*dict.fromkeys(secured.server.callers)] == ["first", "second", "third"]


def test_a_stream_goes_on_where_it_began_while_the_certificate_changes(
    secured: Secured, connect: Connect
) -> None:
    caller = connect(secured.config())
    found = caller.during(lambda: secured.show(secured.callers.client("second")))
    assert [each.transaction_id for each in found] == [f"t-{i}" for i in range(8)]
    secured.wait_for("second", caller.call)


def test_a_certificate_that_the_server_does_not_take_never_takes_over(
    secured: Secured, connect: Connect
) -> None:
    caller = connect(secured.config())
    caller.call()
    secured.show(Authority("of somebody else").client("stranger"))
    for _ in range(50):
        caller.call()
    secured.show(secured.callers.client("second"))
    secured.wait_for("second", caller.call)
    assert set(secured.server.callers) == {"first", "second"}


def test_broken_files_leave_those_before_in_force_and_are_logged_once(
    secured: Secured, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caller = connect(secured.config())
    replace(secured.folder / "key.pem", secured.callers.client().key)
    with caplog.at_level(logging.WARNING, "clients"):
        for _ in range(20):
            caller.call()
    assert len([each for each in caplog.records if "are no certificate in PEM" in each.message]) == 1
    assert set(secured.server.callers) == {"first"}


def test_many_threads_call_while_certificates_change_and_no_call_fails(secured: Secured) -> None:
    stopped, failures = threading.Event(), []

    def calls(client: Client) -> None:
        while not stopped.is_set():
            try:
                client.live_model()
            except KunturError as error:
                failures.append(error)

    with Client(config=secured.config()) as client:
        threads = [threading.Thread(target=calls, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(5):
                secured.show(secured.callers.client(f"c-{number}"))
                secured.wait_for(f"c-{number}")
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
    assert failures == []


def test_what_a_retired_channel_held_is_let_go(secured: Secured) -> None:
    with Client(config=secured.config()) as client:
        for number in range(8):
            secured.show(secured.callers.client(f"c-{number}"))
            secured.wait_for(f"c-{number}", client.live_model)
        wait_until(lambda: connections_to(secured.server.address) <= 2)


def connections_to(address: str) -> int:
    """Returns how many sockets of this process are connected to an address."""
    port = f"{int(address.rpartition(':')[2]):04X}"
    own = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            own.add(str(descriptor.readlink()))
        except OSError:  # closed meanwhile
            continue
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(f"socket:[{line[9]}]" in own and line[2].endswith(f":{port}") for line in lines)


def test_a_closed_client_takes_no_call(secured: Secured) -> None:
    client = Client(config=secured.config())
    client.live_model()
    client.close()
    with pytest.raises(KunturError, match="closed"):
        client.live_model()


def test_a_token_goes_with_every_call_and_follows_its_file(
    secured: Secured, connect: Connect, tmp_path: Path
) -> None:
    token = replace(tmp_path / "token", b"one\n")
    caller = connect(secured.config(token_file=token))
    caller.call()
    caller.stream(3)
    replace(token, b"two\n")
    caller.call()
    assert [*dict.fromkeys(secured.server.authorizations)] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\xff\xfe", b"a\nb", b"x" * 20_000])
def test_what_is_no_token_is_refused(secured: Secured, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnusableCredentials, match="holds no token"):
        Client(config=secured.config(token_file=replace(tmp_path / "token", content)))


def test_a_token_never_goes_in_plain_text_unless_it_stays_here_and_that_is_allowed(
    connect: Connect, tmp_path: Path
) -> None:
    token = replace(tmp_path / "token", b"one")
    with FakeServer() as server:
        with pytest.raises(ValueError, match="would go in plain text"):
            Client(server.address, config=ClientConfig(token_file=token))
        allowed = ClientConfig(server=server.address, token_file=token, allow_plaintext_token=True)
        with pytest.raises(ValueError, match="never goes in plain text to another machine"):
            Client("kuntur.example:50051", config=allowed)
        connect(allowed).call()
        assert server.authorizations == ["Bearer one"]


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("ca", b"nothing", r"ca\.pem: holds no certificate"),
        ("ca", None, r"ca\.pem: cannot be read: No such file"),
        ("key", b"nothing", "are no certificate in PEM and its private key"),
        ("certificate", None, r"certificate\.pem: cannot be read"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    secured: Secured, file: str, content: bytes | None, why: str
) -> None:
    path = secured.folder / f"{file}.pem"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableCredentials, match=why):
        Client(config=secured.config())


def test_an_encrypted_key_is_named_and_nobody_is_asked_for_its_password(secured: Secured) -> None:
    secured.show(secured.callers.server(password=b"secret"))
    with pytest.raises(UnusableCredentials, match="the key is encrypted"):
        Client(config=secured.config())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"certificate": "c.pem"}, "certificate and key go together"),
        ({"key": "k.pem"}, "certificate and key go together"),
        ({"ca": "ca.pem", "tls": False}, "of no use without TLS"),
        ({"server_name": "kuntur"}, "server_name is of no use without TLS"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ClientConfig(**changes)


def failure(config: ClientConfig) -> str:
    """Returns what a call that finds no server says."""
    with Client(config=config) as client, pytest.raises(Unavailable) as caught:
        client.live_model(timeout_seconds=20)
    return caught.value.message


def test_a_failed_connection_says_what_may_be_wrong_with_tls(
    secured: Secured, servers: Authority, callers: Authority
) -> None:
    quick: dict[str, Any] = {"max_attempts": 1}
    plain = {"ca": None, "certificate": None, "key": None}
    assert "give the authorities of its certificate as ca" in failure(secured.config(**plain, **quick))
    anonymous = secured.config(certificate=None, key=None, **quick)
    assert "may ask for a certificate" in failure(anonymous)
    other = replace(secured.folder / "other.pem", callers.certificate)
    assert "of no authority in ca" in failure(secured.config(ca=other, **quick))
    with FakeServer() as server:
        assert "speaks no TLS there" in failure(secured.config(server=server.address, **quick))
    with mutual(servers, callers, servers.server("kuntur.bank")) as server:
        config = secured.config(server=server.address, **quick)
        assert "give that as server_name" in failure(config)
        named = secured.config(server=server.address, server_name="kuntur.bank")
        with Client(config=named) as client:
            assert client.live_model().model_version == "m-1"


def test_credentials_that_are_given_stand_for_themselves(secured: Secured, servers: Authority) -> None:
    pair = secured.callers.client("given")
    given = grpc.ssl_channel_credentials(servers.certificate, pair.key, pair.certificate)
    with Client(secured.server.address, credentials=given) as client:
        client.live_model()
    assert secured.server.callers == ["given"]
