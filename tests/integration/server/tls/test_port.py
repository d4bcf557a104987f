"""A port with TLS, on either transport: who is answered, who is not, and what becomes of changed files."""

from __future__ import annotations

import queue
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2
from prometheus_client import generate_latest

from kuntur.api.v1 import history_service_pb2
from server.rpc.endpoints.reflection import NAMES
from tests.integration.server.tls.secured import Load, Secured, secured
from tests.support.bundles import publish_constant
from tests.support.certificates import SERVER, Authority, Pair
from tests.support.serving import frame, stubs_for, transaction, unary, wait_until


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls") / "registry"
    publish_constant(directory, "m-1", 0.1)
    return directory


@pytest.fixture(scope="module", params=["fast", "plain"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(registry: Path, transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(tmp_path_factory.mktemp("one"), registry, transport=transport) as running:
        yield running


@pytest.fixture(scope="module")
def mutual(registry: Path, transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(tmp_path_factory.mktemp("two"), registry, transport=transport, mutual=True) as running:
        yield running


def score(stubs: Any, name: str = "t-1") -> str:
    return str(stubs.scoring.ScoreTransaction(unary(transaction(name)), timeout=60).score.transaction_id)


def refused(server: Secured, pair: Pair | None) -> bool:
    """Returns whether a call on a new connection is refused before it is a call."""
    with pytest.raises(grpc.RpcError) as caught, server.stubs(pair) as stubs:
        score(stubs)
    return caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_every_kind_of_call_goes_over_tls(server: Secured) -> None:
    with server.stubs() as stubs:
        assert score(stubs) == "t-1"
        frames = [frame(transaction(f"s-{i}")) for i in range(3)]
        assert len(list(stubs.scoring.ScoreStream(iter(frames)))) == 3
        past = [history_service_pb2.BackfillRequest(transactions=[transaction("b-1")])]
        assert stubs.history.Backfill(iter(past)).accepted_count == 1
        assert stubs.health_of() == "SERVING"
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        call = stubs.channel.stream_stream(
            f"/{NAMES[0]}/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        (answer,) = call(iter([asked]))
        assert len(answer.list_services_response.service) > 4


def test_a_caller_without_tls_is_not_answered(server: Secured) -> None:
    with pytest.raises(grpc.RpcError) as caught, stubs_for(f"127.0.0.1:{server.app.port}") as stubs:
        score(stubs)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_caller_that_trusts_another_authority_does_not_speak_to_the_server(server: Secured) -> None:
    credentials = grpc.ssl_channel_credentials(Authority("of somebody else").certificate)
    with pytest.raises(grpc.RpcError) as caught, stubs_for(server.address, credentials) as stubs:
        score(stubs)
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.details())


def test_a_caller_does_not_take_a_certificate_for_another_name(
    registry: Path, transport: str, tmp_path: Path
) -> None:
    with secured(tmp_path, registry, transport=transport) as server:
        server.rotate(server.authority.server("elsewhere.example"))
        with pytest.raises(grpc.RpcError) as caught, server.stubs() as stubs:
            score(stubs)
    assert "Hostname Verification" in str(caught.value.details())


def test_a_caller_with_a_certificate_of_the_authority_is_answered(mutual: Secured) -> None:
    with mutual.stubs(mutual.callers.client()) as stubs:
        assert score(stubs) == "t-1"


def test_a_caller_without_or_with_a_wrong_certificate_is_refused_in_the_handshake(mutual: Secured) -> None:
    assert refused(mutual, None)
    assert refused(mutual, Authority("of somebody else").client())
    assert refused(mutual, mutual.authority.client())  # that of servers is not that of callers
    assert refused(mutual, mutual.callers.client(valid=timedelta(days=-1)))
    assert refused(mutual, mutual.callers.client(usage=SERVER))


def test_a_certificate_without_names_or_stated_use_is_enough(mutual: Secured) -> None:
    with mutual.stubs(mutual.callers.client(usage=None)) as stubs:
        assert score(stubs) == "t-1"


def test_no_call_fails_while_the_certificate_and_the_authorities_of_callers_change(
    registry: Path, transport: str, tmp_path: Path
) -> None:
    with secured(tmp_path, registry, transport=transport, mutual=True) as server:
        old, new = server.callers, Authority("Callers, new")
        pairs = {"now": old.client()}
        with Load(server, lambda: pairs["now"]) as load:

            def some_more() -> None:
                goal = load.answered + 50
                wait_until(lambda: load.answered >= goal or bool(load.failures))

            some_more()
            for _ in range(5):
                server.rotate()
                some_more()
            server.trust(old, new)
            some_more()
            pairs["now"] = new.client()
            goal = load.answered + 2 * 10  # whoever connects with the old one has done so
            wait_until(lambda: load.answered >= goal)
            server.trust(new)
            some_more()
        assert load.failures == []
        assert load.answered > 300
        assert server.app.certificates is not None
        assert server.app.certificates.taken >= 7


def test_new_connections_see_the_new_certificate_and_old_ones_go_on(server: Secured) -> None:
    with server.stubs() as stubs:
        frames: queue.SimpleQueue[Any] = queue.SimpleQueue()
        answers = stubs.scoring.ScoreStream(iter(frames.get, None))
        frames.put(frame(transaction("before")))
        assert next(answers)
        pair = server.rotate()
        assert shown(server) == ssl.PEM_cert_to_DER_cert(pair.certificate.decode())
        frames.put(frame(transaction("after")))
        assert next(answers)
        frames.put(None)
        assert score(stubs) == "t-1"


def test_a_certificate_of_a_removed_authority_is_refused_at_the_next_handshake(
    registry: Path, transport: str, tmp_path: Path
) -> None:
    with secured(tmp_path, registry, transport=transport, mutual=True) as server:
        pair, other = server.callers.client(), Authority("Callers, new")
        with server.stubs(pair) as standing:
            assert score(standing) == "t-1"
            server.trust(other)
            assert refused(server, pair)
            assert score(standing) == "t-1"  # it was let in before
        with server.stubs(other.client()) as stubs:
            assert score(stubs) == "t-1"


def test_broken_files_leave_the_old_certificate_in_force_and_show_in_the_metrics(
    registry: Path, transport: str, tmp_path: Path
) -> None:
    with secured(tmp_path, registry, transport=transport, mutual=True) as server:
        before = (tmp_path / "server.pem").read_bytes()
        (tmp_path / "server.pem").write_bytes(b"half a certif")
        wait_until(lambda: value(server, "kuntur_tls_files_usable") == 0)
        assert value(server, "kuntur_tls_files_refused_total") == 1
        with server.stubs(server.callers.client()) as stubs:
            assert score(stubs) == "t-1"
        (tmp_path / "server.pem").write_bytes(before)
        wait_until(lambda: value(server, "kuntur_tls_files_usable") == 1)
        server.rotate()
        assert value(server, "kuntur_tls_files_taken_total") == 1
        left = value(server, 'kuntur_tls_certificate_seconds_left{file="server"}')
        assert 89 * 86_400 < left < 90 * 86_400
        assert value(server, 'kuntur_tls_certificate_seconds_left{file="client_ca"}') > left


def shown(server: Secured) -> bytes:
    """Returns the certificate that a new connection is shown, in DER."""
    context = ssl.create_default_context(cadata=server.authority.certificate.decode())
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", server.app.port)) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as wrapped,
    ):
        found = wrapped.getpeercert(binary_form=True)
    assert found is not None
    return found


def value(server: Secured, name: str) -> float:
    """Returns what a metric says."""
    text = generate_latest(server.app.metrics.registry).decode()
    (line,) = [each for each in text.splitlines() if each.startswith(name)]
    return float(line.rpartition(" ")[2])
