"""Every method for every identity, over a real channel: made from the one table of methods and roles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from kuntur.api.v1 import history_service_pb2, model_service_pb2, outcome_pb2, outcome_service_pb2
from kuntur.values import time_to_proto
from server.access.roles import DATA, RULES, Role
from tests.support.bundles import publish_constant
from tests.support.guarded import Guarded, Metadata, guarded_server, tls_channel
from tests.support.identities import Authority, Certified
from tests.support.issuer import Issuer, bearer, signing_key
from tests.support.serving import EVENT_TIME, failure, frame, transaction, unary

_ROLES = tuple(Role)
_NAME = NameOID.COMMON_NAME
_REQUESTS: dict[str, Any] = {
    "ScoreTransaction": unary(transaction("t-1")),
    "ScoreStream": frame(transaction("t-2")),
    "ReportOutcomes": outcome_service_pb2.ReportOutcomesRequest(
        outcomes=[
            outcome_pb2.Outcome(
                transaction_id="t-1",
                label=outcome_pb2.OUTCOME_LABEL_FRAUD,
                reported_time=time_to_proto(EVENT_TIME),
            )
        ]
    ),
    "Backfill": history_service_pb2.BackfillRequest(transactions=[transaction("t-3")]),
    "ListModels": model_service_pb2.ListModelsRequest(),
    "GetModel": model_service_pb2.GetModelRequest(model_version="m-1"),
    "GetLiveModel": model_service_pb2.GetLiveModelRequest(),
    "Check": health_pb2.HealthCheckRequest(),
    "List": health_pb2.HealthListRequest(),
    "Watch": health_pb2.HealthCheckRequest(),
    "ServerReflectionInfo": reflection_pb2.ServerReflectionRequest(list_services=""),
}


def _binding(role: Role) -> str:
    institutions = 'institutions = ["*"]' if role in DATA else ""
    names = f'"token:{role}", "spiffe://andino.pe/{role}/*", "dn:CN={role},O=Banco Andino"'
    return f'[[binding]]\nidentities = [{names}]\nroles = ["{role}"]\n{institutions}\n'


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
        "".join(map(_binding, _ROLES)),
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
    raw = _REQUESTS[method.rpartition("/")[2]].SerializeToString()
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


def expected(method: str, role: Role | None, *, known: bool = True) -> str:
    """Returns what the table says of a method for whoever has one role; None: for whoever has none."""
    if not known:
        return "IDENTITY_UNKNOWN"
    wanted = RULES[method].role
    return "OK" if wanted is None or wanted is role else "ROLE_MISSING"


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
    raw = _REQUESTS["ServerReflectionInfo"].SerializeToString()
    (answer,) = call(iter([raw]), metadata=server.metadata(Role.REFLECT))
    listed = reflection_pb2.ServerReflectionResponse.FromString(answer).list_services_response.service
    assert {service.name for service in listed} | {"grpc.health.v1.Health"} == {
        method.split("/")[1] for method in RULES
    }


def test_a_method_that_there_is_not_is_unimplemented_for_everybody(server: Guarded) -> None:
    _REQUESTS["Promote"] = model_service_pb2.ListModelsRequest()
    for metadata in ((), server.metadata(Role.OPERATE_MODELS)):
        method = "/kuntur.api.v1.ModelService/Promote"
        assert outcome(server.stubs.channel, method, metadata) == "UNIMPLEMENTED"
