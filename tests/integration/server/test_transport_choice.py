"""Which transport serves, and what becomes of a server whose transport fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from server.rpc.core import inside
from server.rpc.transport import TransportError
from tests.support.bundles import publish_constant
from tests.support.serving import running_server, transaction, unary

_DYING = """
import sys
from pathlib import Path
import grpc
from server.signals import hold_stop_signals
hold_stop_signals()
from server.app import ServerApp
from server.rpc.core import polling
from tests.support.serving import settings_for, stubs_for, transaction, unary

def fail(*_):
    raise RuntimeError("not as tested")

polling._forget = fail
app = ServerApp(settings_for(Path(sys.argv[1])))
app.start()
with stubs_for(f"127.0.0.1:{app.port}") as stubs:
    stubs.scoring.ScoreTransaction.future(unary(transaction("t-1")))
    app.serve_until_signalled()
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("choice") / "registry"
    publish_constant(directory, "m-1", 0.1)
    return directory


@pytest.mark.parametrize(("module", "name"), inside.NAMES)
def test_without_any_name_of_the_inside_the_server_starts_the_plain_way_and_answers(
    registry: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    found_in = inside.found_in
    monkeypatch.setattr(
        inside,
        "found_in",
        lambda its, other: None if (its, other) == (module, name) else found_in(its, other),
    )
    with structlog.testing.capture_logs() as logs, running_server(registry) as server:
        server.wait_until_live("m-1")
        assert server.stubs.scoring.ScoreTransaction(unary(transaction("t"))).score.transaction_id == "t"
        sample = server.app.metrics.registry.get_sample_value
        assert sample("kuntur_rpc_transport", {"transport": "plain"}) == 1
    (warning,) = [line for line in logs if "why" in line]
    assert (warning["log_level"], warning["why"]) == ("warning", f"{module}.{name} is not there")


def test_fast_refuses_to_start_where_it_cannot_be_had(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "TESTED", ("0.1.",))
    with pytest.raises(TransportError, match="was not tested"):
        running_server(registry, rpc={"transport": "fast"}).__enter__()


def test_a_server_whose_polling_thread_fails_ends_with_a_status_and_a_line(registry: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DYING, str(registry)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 70, done.stderr[-2000:]
    assert "the thread that takes up calls failed" in done.stdout + done.stderr
