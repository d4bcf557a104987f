"""What a server that asks who calls does over a real channel, beside the table of methods."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from clients.errors import InstitutionForeign, RoleMissing, TokenExpired, Unauthenticated, error_from_rpc
from kuntur.api.v1 import history_service_pb2, model_service_pb2, outcome_pb2, outcome_service_pb2
from kuntur.values import time_to_proto
from tests.support.bundles import publish_constant
from tests.support.guarded import Guarded, guarded_server
from tests.support.issuer import Issuer, bearer, signing_key
from tests.support.serving import EVENT_TIME, Failure, failure, frame, transaction, unary, wait_until
from tests.support.web import web_server

_BINDINGS = """
[[binding]]
identities = ["token:core"]
roles = ["score", "report_outcomes", "backfill"]
institutions = ["banco-andino"]

[[binding]]
identities = ["token:processor"]
roles = ["score"]
institutions = ["banco-andino", "caja-sur"]

[[binding]]
identities = ["token:operator"]
roles = ["score", "report_outcomes", "backfill", "read_models"]
institutions = ["*"]

[[binding]]
identities = ["token:small"]
roles = ["score"]
institutions = ["*"]
max_calls = 1
max_streams = 1
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("access") / "registry"
    publish_constant(directory, "m-1", 0.1)
    return directory


@pytest.fixture(scope="module", params=["fast", "plain"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(registry: Path, transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_server(
        tmp_path_factory.mktemp("bindings"),
        registry,
        _BINDINGS,
        access={"leeway_s": 0.0},
        rpc={"transport": transport},
    ) as running:
        running.wait_until_live("m-1")
        yield running


def refused(call: Any) -> Failure:
    """Returns the opened status that a call ended with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return failure(caught.value)


def of(institution: str, transaction_id: str) -> Any:
    return transaction(transaction_id, institution_id=institution)


def counted(server: Guarded) -> int:
    return server.app.history.counts().recent_transactions


def test_a_transaction_of_another_institution_is_refused_and_counted_nowhere(server: Guarded) -> None:
    score, metadata = server.stubs.scoring.ScoreTransaction, server.metadata()
    before = counted(server)
    for institution in ("caja-sur", "", "banco-andino "):
        told = refused(lambda i=institution: score(unary(of(i, "u-foreign")), metadata=metadata))
        assert (told.code, told.reason) == (7, "INSTITUTION_FOREIGN")
        assert told.metadata == {"institution_id": institution}
    assert counted(server) == before
    answer = score(unary(of("banco-andino", "u-own")), metadata=metadata)
    assert answer.score.transaction_id == "u-own"
    assert counted(server) == before + 1


def test_in_a_frame_only_the_items_of_other_institutions_are_refused(server: Guarded) -> None:
    before, items = counted(server), server.sample("kuntur_items_refused_total")
    asked = frame(
        of("banco-andino", "f-1"),
        of("caja-sur", "f-2"),
        transaction("f-3", institution_id="banco-andino", account_id=""),
        transaction("f-4", institution_id="caja-sur", account_id=""),
        of("banco-andino", "f-5"),
        of("", "f-6"),
    )
    metadata = server.metadata()
    answers = list(server.stubs.scoring.ScoreStream(iter([asked, asked]), metadata=metadata))
    for answer in answers:
        told = ["score" if r.HasField("score") else failure(r.status).reason for r in answer.results]
        foreign = "INSTITUTION_FOREIGN"
        assert told == ["score", foreign, "INVALID_FIELD", foreign, "score", foreign]
    assert counted(server) == before + 2
    assert server.sample("kuntur_items_refused_total") == items + 8


def test_reports_of_other_institutions_are_refused_by_their_place(server: Guarded) -> None:
    metadata = server.metadata()
    server.stubs.scoring.ScoreTransaction(unary(of("banco-andino", "r-1")), metadata=metadata)
    others = server.metadata("processor")
    server.stubs.scoring.ScoreTransaction(unary(of("caja-sur", "r-2")), metadata=others)

    def outcome(institution: str, transaction_id: str) -> Any:
        return outcome_pb2.Outcome(
            institution_id=institution,
            transaction_id=transaction_id,
            label=outcome_pb2.OUTCOME_LABEL_FRAUD,
            reported_time=time_to_proto(EVENT_TIME),
        )

    asked = outcome_service_pb2.ReportOutcomesRequest(
        outcomes=[
            outcome("caja-sur", "r-2"),
            outcome("banco-andino", "r-1"),
            outcome("banco-andino", "r-unknown"),
            outcome("banco-andino", ""),
            outcome("", "r-1"),
        ]
    )
    answer = server.stubs.outcomes.ReportOutcomes(asked, metadata=metadata)
    assert answer.accepted_count == 1
    assert [(each.index, failure(each.status).reason) for each in answer.failures] == [
        (0, "INSTITUTION_FOREIGN"),
        (2, "TRANSACTION_NOT_FOUND"),
        (3, "INVALID_FIELD"),
        (4, "INSTITUTION_FOREIGN"),
    ]


def test_past_transactions_of_other_institutions_are_refused_by_their_place(server: Guarded) -> None:
    before = counted(server)
    requests = [
        history_service_pb2.BackfillRequest(transactions=[of("caja-sur", "b-1"), of("banco-andino", "b-2")]),
        history_service_pb2.BackfillRequest(transactions=[of("banco-andino", "b-3"), of("", "b-4")]),
    ]
    answer = server.stubs.history.Backfill(iter(requests), metadata=server.metadata())
    assert (answer.accepted_count, answer.refused_count) == (2, 2)
    assert [(each.index, failure(each.status).reason) for each in answer.failures] == [
        (0, "INSTITUTION_FOREIGN"),
        (3, "INSTITUTION_FOREIGN"),
    ]
    assert counted(server) == before + 2


def test_calls_of_different_callers_that_are_answered_together_stay_apart(server: Guarded) -> None:
    """Many at once, so that the fast transport takes some of them as one frame."""
    tokens = {name: server.metadata(name) for name in ("core", "processor", "operator")}
    may = {"core": {"banco-andino"}, "processor": {"banco-andino", "caja-sur"}}

    def ask(number: int) -> tuple[bool, str]:
        name = ("core", "processor", "operator")[number % 3]
        institution = ("banco-andino", "caja-sur", "bcp", "")[number % 4]
        allowed = institution in may.get(name, {institution})
        try:
            request = unary(of(institution, f"together-{number}"))
            answer = server.stubs.scoring.ScoreTransaction(request, metadata=tokens[name])
        except grpc.RpcError as error:
            return allowed, failure(error).reason
        return allowed, "" if answer.score.transaction_id == f"together-{number}" else "another"

    with ThreadPoolExecutor(32) as pool:
        for allowed, reason in pool.map(ask, range(600)):
            assert reason == ("" if allowed else "INSTITUTION_FOREIGN")


def test_the_client_raises_what_it_was_told(server: Guarded) -> None:
    def told(call: Any) -> Exception:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        return error_from_rpc(caught.value)

    score = server.stubs.scoring.ScoreTransaction
    foreign = told(lambda: score(unary(of("bcp", "c-1")), metadata=server.metadata()))
    assert isinstance(foreign, InstitutionForeign)
    assert foreign.institution_id == "bcp"
    request = model_service_pb2.ListModelsRequest()
    missing = told(lambda: server.stubs.models.ListModels(request, metadata=server.metadata()))
    assert isinstance(missing, RoleMissing)
    assert (missing.identity, missing.role) == ("token:core", "read_models")
    expired = told(lambda: score(unary(of("bcp", "c-2")), metadata=server.metadata(lasts_s=-1.0)))
    assert isinstance(expired, TokenExpired)
    nobody = told(lambda: score(unary(of("bcp", "c-3"))))
    assert isinstance(nobody, Unauthenticated)
    assert nobody.reason == "CREDENTIALS_MISSING"


def test_a_stream_ends_when_its_token_expires_and_what_was_answered_counts(server: Guarded) -> None:
    sent = threading.Event()

    def frames() -> Iterator[Any]:
        yield frame(of("banco-andino", "e-1"))
        sent.wait(60)

    answers = server.stubs.scoring.ScoreStream(frames(), metadata=server.metadata(lasts_s=3.0))
    assert len(next(answers).results) == 1
    told = refused(lambda: next(answers))
    sent.set()
    assert (told.code, told.reason, told.retried) == (16, "TOKEN_EXPIRED", False)


def test_a_backfill_ends_when_its_token_expires(server: Guarded) -> None:
    expires = time.time() + 3.0

    def frames() -> Iterator[Any]:
        number = 0
        while True:
            number += 1
            yield history_service_pb2.BackfillRequest(transactions=[of("banco-andino", f"x-{number}")])
            time.sleep(0.05)

    backfill = server.stubs.history.Backfill
    told = refused(lambda: backfill(frames(), metadata=server.metadata(exp=expires)))
    assert told.reason == "TOKEN_EXPIRED"


def test_an_open_stream_ends_when_its_caller_is_bound_no_more(
    registry: Path, transport: str, tmp_path: Path
) -> None:
    with guarded_server(tmp_path, registry, _BINDINGS, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        go_on, done = threading.Event(), threading.Event()

        def frames() -> Iterator[Any]:
            yield frame(of("banco-andino", "g-1"))
            go_on.wait(60)
            yield frame(of("banco-andino", "g-2"))
            done.wait(60)

        answers = server.stubs.scoring.ScoreStream(frames(), metadata=server.metadata())
        assert len(next(answers).results) == 1
        control: Any = server.app._access
        before = control.guard.bindings
        server.bindings.write_text(_BINDINGS.replace("token:core", "token:other"))
        wait_until(lambda: control.guard.bindings is not before)
        go_on.set()
        told = refused(lambda: next(answers))
        done.set()
        assert (told.code, told.reason) == (7, "IDENTITY_UNKNOWN")


def test_a_caller_with_limits_of_its_own_keeps_to_them(server: Guarded) -> None:
    metadata, done = server.metadata("small"), threading.Event()

    def frames() -> Iterator[Any]:
        yield frame(transaction("l-1"))
        done.wait(60)

    first = server.stubs.scoring.ScoreStream(frames(), metadata=metadata)
    next(first)
    second = server.stubs.scoring.ScoreStream(iter([frame(transaction("l-2"))]), metadata=metadata)
    told = refused(lambda: next(second))
    assert told.reason == "OVERLOADED"
    assert told.metadata == {"limit": "1", "resource": "streams", "scope": "caller"}
    other = server.stubs.scoring.ScoreStream(
        iter([frame(transaction("l-3"))]), metadata=server.metadata("operator")
    )
    assert len(list(other)) == 1
    done.set()
    assert not list(first)


def test_keys_rotate_under_calls_and_none_fails(registry: Path, transport: str, tmp_path: Path) -> None:
    issuer = Issuer([signing_key("k-0")])
    with guarded_server(tmp_path, registry, _BINDINGS, issuer=issuer, rpc={"transport": transport}) as server:
        server.wait_until_live("m-1")
        control: Any = server.app._access
        stop, failures, calls = threading.Event(), list[str](), [0]
        using = [bearer(issuer.token(key=issuer.keys[0]))]

        def call() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                metadata = (("authorization", using[0]),)
                try:
                    server.stubs.scoring.ScoreTransaction(
                        unary(of("banco-andino", f"k-{threading.get_ident()}-{number}")), metadata=metadata
                    )
                except grpc.RpcError as error:
                    failures.append(failure(error).reason)
                calls[0] += 1

        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        for turn in range(1, 4):
            new = signing_key(f"k-{turn}")
            issuer.keys.append(new)
            issuer.publish(tmp_path / "keys.json")
            wait_until(lambda key=new: control.keys.current.knows(key.kid))
            using[0] = bearer(issuer.token(key=new))
            asked = calls[0]
            wait_until(lambda since=asked: calls[0] > since + 20)
            del issuer.keys[0]
            issuer.publish(tmp_path / "keys.json")
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []


def test_a_key_that_is_used_as_soon_as_it_is_published_is_fetched_for_its_first_token(
    registry: Path, transport: str, tmp_path: Path
) -> None:
    issuer, fetched = Issuer([signing_key("k-0")]), list[str]()

    def publish(path: str) -> tuple[int, bytes, dict[str, str]]:
        fetched.append(path)
        return 200, issuer.key_set(), {}

    def score(number: int) -> str:
        request = unary(of("banco-andino", f"url-{number}"))
        try:
            server.stubs.scoring.ScoreTransaction(request, metadata=server.metadata(key=issuer.keys[-1]))
        except grpc.RpcError as error:
            return failure(error).reason
        return "OK"

    with web_server(publish) as url:
        access = {"jwks_url": f"{url}/keys", "jwks_unknown_s": 1.0}
        with guarded_server(
            tmp_path, registry, _BINDINGS, issuer=issuer, access=access, rpc={"transport": transport}
        ) as server:
            server.wait_until_live("m-1")
            wait_until(lambda: score(0) == "OK")
            issuer.keys.append(signing_key("k-1"))
            told: list[str] = []
            wait_until(lambda: told.append(score(1)) or told[-1] == "OK")  # type: ignore[func-returns-value]
            assert set(told) <= {"KEY_UNKNOWN", "KEY_PENDING", "OK"}
    assert len(fetched) >= 2


@pytest.mark.parametrize("opened", [True, False])
def test_health_and_reflection_are_open_by_setting(
    registry: Path, transport: str, tmp_path: Path, opened: bool
) -> None:
    access = {"open_health": opened, "open_reflection": opened}
    with guarded_server(tmp_path, registry, _BINDINGS, access=access, rpc={"transport": transport}) as server:
        reflect = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        calls = [
            server.stubs.health_of,
            lambda: list(server.stubs.channel.stream_stream(reflect)(iter([b""]))),
        ]
        for call in calls:
            if opened:
                assert call()
            else:
                assert refused(call).reason == "CREDENTIALS_MISSING"


def test_the_log_tells_who_was_refused_and_holds_no_secret(
    registry: Path, transport: str, tmp_path: Path
) -> None:
    with (
        structlog.testing.capture_logs() as logs,
        guarded_server(tmp_path, registry, _BINDINGS, rpc={"transport": transport}) as server,
    ):
        server.wait_until_live("m-1")
        score = server.stubs.scoring.ScoreTransaction
        tokens = [
            server.issuer.token("core"),
            server.issuer.token("stranger", email="ana@example.com"),
            Issuer([signing_key("k-1")]).token("core"),
        ]
        for token in tokens:
            with pytest.raises(grpc.RpcError):
                score(unary(of("bcp", "log")), metadata=(("authorization", bearer(token)),))
    refusals = {line["reason"]: line for line in logs if line["event"] == "access refused"}
    assert set(refusals) == {"INSTITUTION_FOREIGN", "IDENTITY_UNKNOWN", "TOKEN_INVALID"}
    assert refusals["IDENTITY_UNKNOWN"]["identity"] == "token:stranger"
    assert refusals["TOKEN_INVALID"]["peer"].startswith("ipv4:127.0.0.1:")
    assert refusals["INSTITUTION_FOREIGN"]["institution_id"] == "bcp"
    written = json.dumps(logs, default=str)
    for token in tokens:
        assert not any(part in written for part in token.split("."))
    assert "ana@example.com" not in written


def test_where_nobody_is_asked_a_warning_says_so_beyond_this_machine(registry: Path, tmp_path: Path) -> None:
    from tests.support.serving import running_server

    def warned(address: str, **overrides: Any) -> bool:
        with (
            structlog.testing.capture_logs() as logs,
            running_server(registry, listen_address=address, **overrides),
        ):
            pass
        return any("access.mode" in line["event"] for line in logs)

    assert not warned("127.0.0.1:0")
    assert warned("0.0.0.0:0", tls={"insecure": True})
