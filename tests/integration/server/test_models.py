from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from kuntur.api.v1 import (
    history_service_pb2,
    model_pb2,
    model_service_pb2,
    outcome_service_pb2,
    scoring_service_pb2,
)
from kuntur.bundle.bundle import Registry
from tests.support.bundles import FEATURES, publish, publish_constant
from tests.support.serving import (
    RunningServer,
    failure,
    frame,
    running_server,
    stubs_for,
    transaction,
    unary,
    wait_until,
)

SERVICE = "kuntur.api.v1.ScoringService"
RELOADS = 40


def listed(server: RunningServer) -> list[model_pb2.Model]:
    return list(server.stubs.models.ListModels(model_service_pb2.ListModelsRequest()).models)


def test_a_server_starts_without_a_model_and_comes_alive_when_one_is_published(tmp_path: Path) -> None:
    registry = tmp_path / "not-there-yet"
    with running_server(registry) as server:
        assert [server.stubs.health_of(name) for name in ("", SERVICE)] == ["NOT_SERVING"] * 2
        with pytest.raises(grpc.RpcError) as caught:
            server.stubs.models.GetLiveModel(model_service_pb2.GetLiveModelRequest())
        assert failure(caught.value).reason == "NO_LIVE_MODEL"
        publish(registry, "m-1")
        wait_until(lambda: server.stubs.health_of() == "SERVING")
        assert server.stubs.health_of(SERVICE) == "SERVING"
        answer = server.stubs.scoring.ScoreTransaction(unary(transaction()))
        assert answer.score.model_version == "m-1"


def test_model_service_tells_what_is_live_available_and_refused(tmp_path: Path) -> None:
    publish(tmp_path, "m-1")
    with running_server(tmp_path) as server:
        server.wait_until_live("m-1")
        publish(tmp_path, "m-2", live=False)
        (publish(tmp_path, "m-3", live=False) / "model.onnx").unlink()
        Registry(tmp_path).set_live("m-3")
        wait_until(lambda: listed(server)[0].state == model_pb2.MODEL_STATE_REFUSED)
        models = listed(server)
        assert [(m.model_version, m.state) for m in models] == [
            ("m-3", model_pb2.MODEL_STATE_REFUSED),
            ("m-2", model_pb2.MODEL_STATE_AVAILABLE),
            ("m-1", model_pb2.MODEL_STATE_LIVE),
        ]
        assert models[0].refusal.reason == model_pb2.MODEL_REFUSAL_REASON_INCOMPLETE
        assert models[0].refusal.message == "model.onnx is missing"
        live = server.stubs.models.GetLiveModel(model_service_pb2.GetLiveModelRequest()).model
        assert live == models[2]
        assert live.HasField("live_since_time")
        assert list(live.feature_names) == list(FEATURES)
        assert (live.review_threshold, live.decline_threshold) == (0.5, 0.9)
        assert live.train_start_time.ToJsonString() == "2024-01-01T00:00:00Z"
        request = model_service_pb2.GetModelRequest(model_version="m-2")
        assert server.stubs.models.GetModel(request).model == models[1]
        assert server.stubs.scoring.ScoreTransaction(unary(transaction())).score.model_version == "m-1"


@pytest.mark.parametrize("name", ["absent", "../m-1", "x" * 100_000])
def test_a_model_that_the_registry_lacks_is_not_found(tmp_path: Path, name: str) -> None:
    publish(tmp_path / "m-1", "m-1")
    with running_server(tmp_path / "registry") as server:
        with pytest.raises(grpc.RpcError) as caught:
            server.stubs.models.GetModel(model_service_pb2.GetModelRequest(model_version=name))
        opened = failure(caught.value)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert (opened.reason, opened.metadata) == ("MODEL_NOT_FOUND", {"model_version": name[:128]})


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_names_every_service(tmp_path: Path, version: str) -> None:
    with running_server(tmp_path) as server:
        ask = server.stubs.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        (answer,) = ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = {service.name for service in answer.list_services_response.service}
        services = ("ScoringService", "OutcomeService", "HistoryService", "ModelService")
        assert {f"kuntur.api.v1.{service}" for service in services} <= names
        assert {"grpc.health.v1.Health", f"grpc.reflection.{version}.ServerReflection"} <= names
        symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)
        (described,) = ask(iter([symbol]))
        assert described.HasField("file_descriptor_response")


@pytest.mark.parametrize(
    "file", [scoring_service_pb2, outcome_service_pb2, history_service_pb2, model_service_pb2]
)
def test_every_method_of_the_contract_is_implemented(tmp_path: Path, file: Any) -> None:
    (service,) = file.DESCRIPTOR.services_by_name.values()
    with running_server(tmp_path) as server:
        for method in service.methods:
            call = server.stubs.channel.stream_stream(f"/{service.full_name}/{method.name}")
            try:
                list(call(iter([b""])))
            except grpc.RpcError as error:
                assert error.code() is not grpc.StatusCode.UNIMPLEMENTED  # noqa: PT017  # most end in errors


def test_forty_reloads_under_load_fail_no_call_and_mix_no_models(tmp_path: Path) -> None:
    probabilities = {f"m-{i:03d}": (i + 1) / 128 for i in range(RELOADS + 1)}
    publish_constant(tmp_path, "m-000", probabilities["m-000"])
    done = threading.Event()
    failures: list[BaseException] = []
    seen: set[str] = set()

    def check(results: list[tuple[str, float]]) -> None:
        for version, probability in results:
            assert probability == probabilities[version]
            seen.add(version)

    def call_unary(address: str, name: str) -> None:
        with stubs_for(address) as stubs:
            i = 0
            while not done.is_set():
                score = stubs.scoring.ScoreTransaction(unary(transaction(f"{name}-{i}"))).score
                check([(score.model_version, score.fraud_probability)])
                i += 1

    def call_stream(address: str, name: str) -> None:
        def frames():  # type: ignore[no-untyped-def]
            i = 0
            while not done.is_set():
                yield frame(*[transaction(f"{name}-{i}-{k}") for k in range(16)])
                i += 1

        with stubs_for(address) as stubs:
            for answer in stubs.scoring.ScoreStream(frames()):
                scores = [result.score for result in answer.results]
                assert len({score.model_version for score in scores}) == 1
                check([(score.model_version, score.fraud_probability) for score in scores])

    def guarded(work, address: str, name: str) -> None:  # type: ignore[no-untyped-def]
        try:
            work(address, name)
        except BaseException as error:
            failures.append(error)
            done.set()

    with running_server(tmp_path) as server:
        server.wait_until_live("m-000")
        works = [(call_unary, "u"), (call_stream, "s")]
        threads = [threading.Thread(target=guarded, args=(w, server.address, name)) for w, name in works]
        for thread in threads:
            thread.start()
        try:
            for i in range(1, RELOADS + 1):
                version = f"m-{i:03d}"
                publish_constant(tmp_path, version, probabilities[version])
                server.wait_until_live(version)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        reloads = server.app.metrics.registry.get_sample_value("kuntur_models_gone_live_total")
    assert failures == []
    assert reloads == RELOADS + 1
    assert len(seen) > RELOADS // 2
