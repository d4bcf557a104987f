"""A server on a grpcio that has other names inside: `python -m tests.support.grpcio.other NAME …`.

Each NAME, as grpc._server._Context or grpc._cython.cygrpc.Server, is taken away for real, as another release
might: grpcio's own code is loaded with another name in its place and goes on. What the server did is printed,
a line of JSON for each name. Each has a process of its own, forked before grpcio is imported.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

_MOVED = "_of_another_release"
_COMPILED = "grpc._cython.cygrpc"
_UNARY = "/kuntur.api.v1.ScoringService/ScoreTransaction"
_STREAM = "/kuntur.api.v1.ScoringService/ScoreStream"
_TIMEOUT_S = 60


class _Renaming(importlib.abc.MetaPathFinder):
    """Loads grpcio with another name in place of one."""

    def __init__(self, full_name: str) -> None:
        self._module, _, self._name = full_name.rpartition(".")

    def find_spec(self, name: str, path: Sequence[str] | None, _: ModuleType | None = None) -> Any:
        if name.partition(".")[0] != "grpc":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return None
        if name == _COMPILED == self._module:
            spec.loader = _RenamedCompiled(spec.loader, self._name)
        elif isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            prefix = r"(?<=cygrpc\.)" if self._module == _COMPILED else r"\b"
            spec.loader = _RenamedSource(name, str(spec.origin), f"{prefix}{self._name}\\b", self._name)
        return spec


class _RenamedSource(importlib.machinery.SourceFileLoader):
    def __init__(self, module: str, path: str, pattern: str, name: str) -> None:
        super().__init__(module, path)
        self._pattern, self._name = pattern, name

    def get_code(self, _: str) -> Any:
        source = re.sub(self._pattern, self._name + _MOVED, Path(self.path).read_text())
        return compile(source, self.path, "exec")


class _RenamedCompiled(importlib.abc.Loader):
    def __init__(self, loader: Any, name: str) -> None:
        self._loader, self._name = loader, name

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        setattr(module, self._name + _MOVED, getattr(module, self._name))
        delattr(module, self._name)


def _serve(full_name: str) -> dict[str, Any]:
    """Starts a server without the name, asks it for two answers and returns what became of it."""
    sys.meta_path.insert(0, _Renaming(full_name))
    import grpc
    import structlog

    from server.rpc import RpcServer, Services
    from server.rpc.admission.gates import Admission
    from server.rpc.calls.edge import Edge
    from server.rpc.calls.lifetime import Lifetimes
    from server.rpc.calls.transport import TransportSettings
    from server.rpc.choice import chosen_transport
    from server.rpc.endpoints.health import Health
    from server.rpc.errors import ErrorTable
    from server.settings.limits import Limits
    from server.telemetry.metrics import ServerMetrics

    metrics, limits = ServerMetrics(), Limits()
    edge = Edge(Admission(limits), ErrorTable(1.0), metrics, Lifetimes(60.0))
    endpoints: Any = SimpleNamespace(
        score_transaction=lambda raw, _: b"score of " + raw,
        score_transactions=lambda raws, _: [b"score of " + raw for raw in raws],
        score_frame=lambda raw, _: b"scores of " + raw,
        score_frames=lambda raws, _: [b"scores of " + raw for raw in raws],
        report_outcomes=None,
        backfill=None,
        list_models=None,
        get_model=None,
        get_live_model=None,
    )
    with structlog.testing.capture_logs() as logs:
        settings = TransportSettings.of(
            limits, reuse_port=False, waits=lambda: False, on_failure=lambda: None
        )
        transport = chosen_transport("auto", edge, settings)
        services = Services(endpoints, endpoints, endpoints, endpoints)
        server = RpcServer(services, edge, Health(), transport, [("127.0.0.1:0", None)])
        server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.ports[0]}") as channel:
        unary = channel.unary_unary(_UNARY)(b"a", timeout=_TIMEOUT_S)
        stream = list(channel.stream_stream(_STREAM)(iter([b"b", b"c"]), timeout=_TIMEOUT_S))
    server.drain(balancer_wait_s=0.0, grace_s=1.0)
    sample = metrics.registry.get_sample_value
    return {
        "answers": [answer.decode() for answer in (unary, *stream)],
        "transports": [
            name for name in ("fast", "plain") if sample("kuntur_rpc_transport", {"transport": name}) == 1
        ],
        "warnings": [line["why"] for line in logs if line["log_level"] == "warning"],
    }


def _forked(full_name: str) -> dict[str, Any]:
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            found = _serve(full_name)
        except BaseException:
            found = {"error": traceback.format_exc()}
        os.write(writing, json.dumps(found).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return dict(json.loads(pipe.read()))


def main() -> None:
    """Prints what a server does without each of the names."""
    # What takes long to import and needs no grpcio; threads of its own begin with its first use.
    for module in (
        "server.settings.config",
        "server.telemetry.metrics",
        "server.scoring",
        "server.journal",
        "server.state",
    ):
        importlib.import_module(module)
    if "grpc" in sys.modules:
        sys.exit("grpcio is imported too early: it could not be had with other names any more")
    for name in sys.argv[1:]:
        sys.stdout.write(json.dumps({"name": name} | _forked(name)) + "\n")


if __name__ == "__main__":
    main()
