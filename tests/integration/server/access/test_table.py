"""Every method for every identity, over a real channel: made from the one table of methods and roles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.x509.oid import NameOID
from grpc_reflection.v1alpha import reflection_pb2

from kuntur.api.v1 import model_service_pb2
from server.access.roles import RULES, Role
from tests.support.access_table import BINDINGS, REQUESTS, expected
from tests.support.bundles import publish_constant
from tests.support.guarded import Guarded, Metadata, guarded_server, tls_channel
from tests.support.identities import Authority, Certified
from tests.support.issuer import Issuer, bearer, signing_key
from tests.support.serving import failure

_ROLES = tuple(Role)
_NAME = NameOID.COMMON_NAME


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("table") / "registry"
    publish_constant(directory, "m-1", 0.1)
    return directory


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module", params=["fast", "plain"])
def server(
    request: pytest.FixtureRequest,
    registry: Path,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Guarded]:
    with guarded_server(
        tmp_path_factory.mktemp("access"),
        registry,
        BINDINGS,
        issuer=Issuer([signing_key("k-1"), signing_key("k-2", "RS256")]),
        authority=authority,
        access={"open_health": False, "leeway_s": 0.0},
        rpc={"transport": request.param},
        limits={"refusals_per_s": 1e6},
    ) as running:
        running.wait_until_live("m-1")
        yield running


def outcome(channel: grpc.Channel, method: str, metadata: Metadata = ()) -> str:
    """Returns what a call comes to: OK, or the reason why not, or the code where it has none."""
    raw = REQUESTS[method.rpartition("/")[2]].SerializeToString()
    while True:
        call: Any = channel.stream_stream(method)(iter([raw]), metadata=metadata, timeout=60)
        try:
            next(call)
            call.cancel()
        except grpc.RpcError as error:
            told = failure(error)
            if told.reason == "KEY_PENDING":  # which asks to come again
                time.sleep(0.05)
                continue
            return told.reason or error.code().name  # type: ignore[attr-defined]
        return "OK"


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("role", _ROLES)
def test_a_token_opens_what_its_role_does_and_nothing_else(server: Guarded, method: str, role: Role) -> None:
    assert outcome(server.stubs.channel, method, server.metadata(role)) == expected(method, role)


_BAD: dict[str, tuple[str, Callable[[Guarded], Metadata]]] = {
    "nothing": ("CREDENTIALS_MISSING", lambda _: ()),
    "other metadata": ("CREDENTIALS_MISSING", lambda _: (("x-authorization", "Bearer a.b.c"),)),
    "no token": ("TOKEN_INVALID", lambda _: (("authorization", "Bearer a.b.c"),)),
    "a password": ("TOKEN_INVALID", lambda _: (("authorization", "Basic dTpw"),)),
    "two tokens": ("TOKEN_INVALID", lambda server: server.metadata("score") * 2),
    "a forged token": (
        "TOKEN_INVALID",
        lambda _: (("authorization", bearer(Issuer([signing_key("k-1")]).token("score"))),),
    ),
    "an expired token": ("TOKEN_EXPIRED", lambda server: server.metadata("score", lasts_s=-1.0)),
    "an early token": (
        "TOKEN_NOT_YET_VALID",
        lambda server: server.metadata("score", nbf=time.time() + 1e6, lasts_s=1e7),
    ),
    "another issuer": ("TOKEN_ISSUER", lambda server: server.metadata("score", iss="https://evil.example")),
    "another audience": ("TOKEN_AUDIENCE", lambda server: server.metadata("score", aud="other")),
    "an unknown key": ("KEY_UNKNOWN", lambda server: server.metadata("score", header={"kid": "k-9"})),
    "a stranger": ("IDENTITY_UNKNOWN", lambda server: server.metadata("stranger")),
    "a certificate's name": (
        "IDENTITY_UNKNOWN",
        lambda server: server.metadata("spiffe://andino.pe/score/1"),
    ),
}


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("what", _BAD)
def test_whatever_is_no_good_is_refused_with_its_reason(server: Guarded, method: str, what: str) -> None:
    reason, metadata = _BAD[what]
    before = server.sample("kuntur_access_refused_total", reason=reason)
    assert outcome(server.stubs.channel, method, metadata(server)) == reason
    assert server.sample("kuntur_access_refused_total", reason=reason) > before


@pytest.mark.parametrize("named", ["spiffe", "subject"])
@pytest.mark.parametrize("role", _ROLES)
def test_a_certificate_opens_what_its_role_does_and_nothing_else(
    server: Guarded, authority: Authority, named: str, role: Role
) -> None:
    own = _certificate(authority, named, role)
    with tls_channel(server.tls_port, authority, own) as channel:
        found = {method: outcome(channel, method) for method in RULES}
    assert found == {method: expected(method, role) for method in RULES}


def _certificate(authority: Authority, named: str, role: str) -> Certified:
    if named == "spiffe":
        return authority.signed((_NAME, "other"), uris=[f"spiffe://andino.pe/{role}/7"])
    return authority.signed((NameOID.ORGANIZATION_NAME, "Banco Andino"), (_NAME, role))


def test_certificates_of_strangers_and_of_nobody_are_refused(server: Guarded, authority: Authority) -> None:
    strangers = {
        "IDENTITY_UNKNOWN": authority.signed(uris=["spiffe://andino.pe/score"]),
        "CERTIFICATE_INVALID": authority.signed(
            (_NAME, "score"), uris=["spiffe://andino.pe/score/7", "spiffe://andino.pe/audit/7"]
        ),
    }
    for reason, own in strangers.items():
        with tls_channel(server.tls_port, authority, own) as channel:
            assert {outcome(channel, method) for method in RULES} == {reason}


def test_a_token_goes_before_the_certificate_of_whoever_carries_it(
    server: Guarded, authority: Authority
) -> None:
    gateway = authority.signed(uris=["spiffe://andino.pe/score/gateway"])
    with tls_channel(server.tls_port, authority, gateway) as channel:
        role = Role.READ_MODELS
        found = {method: outcome(channel, method, server.metadata(role)) for method in RULES}
        assert found == {method: expected(method, role) for method in RULES}
        assert outcome(channel, next(iter(RULES)), (("authorization", "Bearer a.b.c"),)) == "TOKEN_INVALID"


def test_every_method_that_is_served_is_in_the_table(server: Guarded) -> None:
    call = server.stubs.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    raw = REQUESTS["ServerReflectionInfo"].SerializeToString()
    (answer,) = call(iter([raw]), metadata=server.metadata(Role.REFLECT))
    listed = reflection_pb2.ServerReflectionResponse.FromString(answer).list_services_response.service
    assert {service.name for service in listed} | {"grpc.health.v1.Health"} == {
        method.split("/")[1] for method in RULES
    }


def test_a_method_that_there_is_not_is_unimplemented_for_everybody(server: Guarded) -> None:
    REQUESTS["Promote"] = model_service_pb2.ListModelsRequest()
    for metadata in ((), server.metadata(Role.OPERATE_MODELS)):
        method = "/kuntur.api.v1.ModelService/Promote"
        assert outcome(server.stubs.channel, method, metadata) == "UNIMPLEMENTED"


@pytest.mark.parametrize("transport", ["fast", "plain"])
def test_a_certificate_names_its_caller_on_the_port_of_the_settings(
    registry: Path, authority: Authority, tmp_path: Path, transport: str
) -> None:
    own = authority.signed(hosts=["localhost"])
    for name, content in (
        ("own.pem", own.certificate),
        ("own.key", own.key),
        ("ca.pem", authority.certificate),
    ):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(content)
    tls = {
        "certificate": tmp_path / "own.pem",
        "key": tmp_path / "own.key",
        "client_ca": tmp_path / "ca.pem",
        "client_certificate": "required",
    }
    with guarded_server(tmp_path, registry, BINDINGS, tls=tls, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        for role in (Role.SCORE, Role.AUDIT):
            with tls_channel(server.app.port, authority, _certificate(authority, "spiffe", role)) as channel:
                method = "/kuntur.api.v1.ScoringService/ScoreTransaction"
                assert outcome(channel, method) == expected(method, role)
