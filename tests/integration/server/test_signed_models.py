"""A real server that asks for two signers: it takes what both signed and refuses all else, still scoring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from kuntur.api.v1 import model_pb2, model_service_pb2
from kuntur.bundle.bundle import RefusalReason, Registry
from server.cli.app import app as command_line
from tests.support.bundles import publish
from tests.support.hostile import HOSTILE, Make, Signers, sign
from tests.support.serving import RunningServer, running_server, transaction, unary, wait_until
from tests.support.signers import Signer, write_policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signed")


@pytest.fixture(scope="module")
def signers(folder: Path) -> Signers:
    return Signers(*(Signer(folder / "keys", name) for name in ("trainer", "approver", "past", "stranger")))


@pytest.fixture(scope="module")
def policy(folder: Path, signers: Signers) -> Path:
    known = [signers.trainer, signers.approver, signers.past]
    return write_policy(folder / "policy.toml", known, 2, {"past": date(2025, 12, 31)})


@pytest.fixture(scope="module")
def server(folder: Path, signers: Signers, policy: Path) -> Iterator[RunningServer]:
    """A server on whose registry `good` is live, signed by both and published now."""
    publish_signed(folder / "registry", "good", signers)
    kept = {"policy": policy, "newest_live": folder / "state" / "newest.json"}
    # Below it a model is tried in a process of its own, whose memory a hostile one may not fill.
    with running_server(folder / "registry", signatures=kept) as running:
        running.wait_until_live("good")
        yield running


def publish_signed(registry: Path, version: str, signers: Signers, age: timedelta = timedelta()) -> Path:
    published = (datetime.now(UTC) - age).isoformat()
    bundle = publish(registry, version, live=False, published_time=published)
    sign(bundle, signers.trainer, signers.approver)
    Registry(registry).set_live(version)
    return bundle


def of_server(server: RunningServer, version: str) -> model_pb2.Model:
    request = model_service_pb2.GetModelRequest(model_version=version)
    return server.stubs.models.GetModel(request).model


def refused_for(server: RunningServer, version: str) -> str:
    wait_until(lambda: of_server(server, version).state == model_pb2.MODEL_STATE_REFUSED)
    reason = of_server(server, version).refusal.reason
    return model_pb2.ModelRefusalReason.Name(reason).removeprefix("MODEL_REFUSAL_REASON_")


def scored_by(server: RunningServer) -> str:
    return str(server.stubs.scoring.ScoreTransaction(unary(transaction())).score.model_version)


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_hostile_bundle_is_refused_with_its_reason_and_the_live_model_stays(
    server: RunningServer, signers: Signers, make: Make
) -> None:
    version = make.__name__
    make(server.registry, version, signers)
    Registry(server.registry).set_live(version)
    reason = refused_for(server, version)
    assert reason in HOSTILE[make]
    assert scored_by(server) == "good"
    metrics = server.app.metrics.registry
    assert metrics.get_sample_value("kuntur_bundles_refused_total", {"reason": reason})


def test_a_model_goes_live_with_its_last_signature_and_says_who_signed(
    server: RunningServer, signers: Signers
) -> None:
    bundle = publish(server.registry, "next", live=False, published_time=datetime.now(UTC).isoformat())
    sign(bundle, signers.trainer)
    Registry(server.registry).set_live("next")
    assert refused_for(server, "next") == RefusalReason.SIGNATURE_BELOW_THRESHOLD
    sign(bundle, signers.approver)
    server.wait_until_live("next")
    live = server.stubs.models.GetLiveModel(model_service_pb2.GetLiveModelRequest()).model
    assert list(live.signers) == ["approver", "trainer"]
    required = server.app.metrics.registry.get_sample_value("kuntur_bundle_signers_required")
    assert required == 2


def test_an_older_model_stays_refused_after_a_restart_until_an_operator_goes_back(
    tmp_path: Path, signers: Signers, policy: Path
) -> None:
    registry, newest = tmp_path / "registry", tmp_path / "state" / "newest.json"
    kept = {"policy": policy, "newest_live": newest}
    publish_signed(registry, "old", signers, timedelta(days=7))
    with running_server(registry, signatures=kept) as server:
        server.wait_until_live("old")
        publish_signed(registry, "new", signers)
        server.wait_until_live("new")
        assert json.loads(newest.read_text())["model_version"] == "new"
        assert newest.stat().st_mode & 0o777 == 0o600
    Registry(registry).set_live("old")
    with running_server(registry, signatures=kept) as server:
        assert refused_for(server, "old") == RefusalReason.MODEL_ROLLED_BACK
        assert "kuntur-server go-back old" in of_server(server, "old").refusal.message
        settings = tmp_path / "server.toml"
        settings.write_text(
            f'registry_path = "{registry}"\n[signatures]\npolicy = "{policy}"\nnewest_live = "{newest}"\n'
        )
        told = CliRunner().invoke(command_line, ["go-back", "old", "--config", str(settings)])
        assert told.exit_code == 0, told.output
        assert "the newest was new of" in told.output
        server.wait_until_live("old")
        Registry(registry).set_live("new")
        server.wait_until_live("new")


def test_a_server_without_a_policy_says_loudly_that_it_trusts_whatever_is_there(tmp_path: Path) -> None:
    publish(tmp_path, "m-1")
    with capture_logs() as logs, running_server(tmp_path) as server:
        server.wait_until_live("m-1")
        assert server.app.metrics.registry.get_sample_value("kuntur_bundle_signers_required") == 0
    (told,) = (log for log in logs if "UNSIGNED BUNDLES ARE TRUSTED" in log["event"])
    assert told["log_level"] == "warning"
