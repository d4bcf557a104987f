"""A client of another language that retries by the shipped service config."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bench.callers.grpc_js import grpc_js
from server.state import RegionHistory
from tests.support.bundles import publish_constant
from tests.support.serving import running_server, transaction, unary

_ROOT = Path(__file__).parents[4]
_SERVICE_CONFIG = _ROOT / "protos/kuntur/api/v1/service_config.json"
_CLIENT = _ROOT / "tests/support/grpc_js.js"
_CALLS = 2000


def test_calls_of_grpc_js_at_an_overload_are_answered_or_refused_and_none_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = grpc_js(_ROOT / "build" / "node")
    if environment is None:
        pytest.skip("needs Node.js and npm, which fetches grpc-js")
    publish_constant(tmp_path / "registry", "m-1", 0.1)
    admit = RegionHistory.admit

    def slowly(self: RegionHistory, batch: Any, *arguments: Any, **options: Any) -> Any:
        time.sleep(0.002)
        return admit(self, batch, *arguments, **options)

    monkeypatch.setattr(RegionHistory, "admit", slowly)
    monkeypatch.setattr(RegionHistory, "remote", True)  # as it keeps its callers waiting
    limits = {"max_unary_in_flight": 16}
    with running_server(tmp_path / "registry", limits=limits) as server:
        server.wait_until_live("m-1")
        asked = {
            "address": server.address,
            "method": "/kuntur.api.v1.ScoringService/ScoreTransaction",
            "count": _CALLS,
            "serviceConfig": _SERVICE_CONFIG.read_text(),
            "request": base64.b64encode(unary(transaction()).SerializeToString()).decode(),
        }
        done = subprocess.run(
            ["node", str(_CLIENT)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
            env=environment,
        )
        codes = json.loads(done.stdout)
        assert sum(codes.values()) == _CALLS
        assert set(codes) <= {"OK", "RESOURCE_EXHAUSTED"}
        assert codes["OK"] > 0
        refused = server.app.metrics.registry.get_sample_value(
            "kuntur_calls_refused_total", {"resource": "calls", "reason": "OVERLOADED"}
        )
        assert refused
