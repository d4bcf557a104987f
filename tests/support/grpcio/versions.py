"""`make test-grpcio`: the server on other releases of grpcio, each laid over the environment for the run.

On those that it is tested with it has to be fast and to pass the contract suite; on others it has to start
with one warning, answer the plain way, and end in order.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import typer

from kuntur.api.v1 import scoring_service_pb2_grpc
from tests.support.bundles import publish_constant
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import frame, stubs_for, transaction, unary, wait_until

_ROOT = Path(__file__).parents[3]
_OVERLAYS = _ROOT / "build" / "grpcio"
_PACKAGES = ("grpcio", "grpcio-health-checking", "grpcio-reflection")
_OLDEST = scoring_service_pb2_grpc.GRPC_GENERATED_VERSION
_SERIES = ".".join(_OLDEST.split(".")[:2])
_NEXT = ".".join((_OLDEST.split(".")[0], str(int(_OLDEST.split(".")[1]) + 1)))


@dataclass(frozen=True)
class Case:
    """Which release, and the transport that `auto` has to choose on it."""

    which: str
    bounds: str
    transport: str


CASES = (
    Case("the oldest that the stubs allow", f"=={_OLDEST}", "fast"),
    Case("the newest that is tested", f">={_OLDEST},<{_NEXT}", "fast"),
    Case("the newest of all before", f"<{_SERIES}", "plain"),
    Case("the newest beyond", f">={_NEXT}", "plain"),
)


def main() -> None:
    """Runs every case; exits with a status when one is not as it has to be."""
    failures = []
    with tempfile.TemporaryDirectory() as directory:
        registry = Path(directory) / "registry"
        publish_constant(registry, "m-1", 0.1)
        for number, case in enumerate(CASES):
            overlay = _installed(_OVERLAYS / str(number), case.bounds)
            if overlay is None:
                typer.echo(f"{case.which} (grpcio{case.bounds}): there is none")
                continue
            version = re.findall(r'"([^"]+)"', (overlay / "grpc" / "_grpcio_metadata.py").read_text())[0]
            fault = _fault(case, overlay, registry)
            failures += [fault] if fault else []
            typer.echo(f"{case.which}, grpcio {version}: {fault or f'{case.transport}, answers'}")
    if failures:
        sys.exit(f"{len(failures)} of the releases failed")


def _installed(overlay: Path, bounds: str) -> Path | None:
    """Installs a release into a folder of its own; None where there is no such release."""
    shutil.rmtree(overlay, ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        sys.executable,
    ]
    command += ["--target", str(overlay), *(package + bounds for package in _PACKAGES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if "no version" in done.stderr or "only grpcio" in done.stderr:
            return None
        sys.exit(f"grpcio{bounds} cannot be installed: {done.stderr.strip()}")
    return overlay


def _fault(case: Case, overlay: Path, registry: Path) -> str | None:
    """Returns what a server on a release did otherwise than it has to."""
    os.environ["PYTHONPATH"] = str(overlay)
    try:
        with ServerProcess("--registry", str(registry)) as server, stubs_for(server.address) as stubs:
            wait_until(lambda: server.wrote("model is live"))
            stubs.scoring.ScoreTransaction(unary(transaction("t-1")))
            answers = stubs.scoring.ScoreStream(iter([frame(transaction("t-2")), frame(transaction("t-3"))]))
            if len(list(answers)) != 2:
                return "a stream was not answered"
            if server.end():
                return "the server did not end in order"
            if not server.wrote("server started", f'"transport": "{case.transport}"'):
                return f"auto did not choose {case.transport}"
            warnings = sum("grpcio is not as tested" in line for line in server.lines)
            if warnings != (case.transport == "plain"):
                return f"{warnings} warnings"
        if case.transport == "fast":
            suite = [sys.executable, "-m", "pytest", "-q", "-x", "tests/contract/test_transports.py"]
            done = subprocess.run(suite, cwd=_ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"the contract suite failed:\n{done.stdout[-3000:]}"
    finally:
        del os.environ["PYTHONPATH"]
    return None


if __name__ == "__main__":
    main()
