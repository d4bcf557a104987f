"""grpc-js, gRPC's client for Node.js: where it is, or fetched once from npm into build/."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_HOME = Path(__file__).parents[2] / "build" / "node"
_PACKAGE = "@grpc/grpc-js@1.14.3"


def grpc_js() -> dict[str, str] | None:
    """Returns an environment in which Node.js finds grpc-js; None where Node.js or npm cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        return None
    environment = {**os.environ, "NODE_PATH": str(_HOME / "node_modules")}
    for found in (dict(os.environ), environment):
        if _has(node, found):
            return found
    if npm is None:
        return None
    _HOME.mkdir(parents=True, exist_ok=True)
    install = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(_HOME), _PACKAGE]
    subprocess.run(install, capture_output=True, check=False, timeout=300)
    return environment if _has(node, environment) else None


def _has(node: str, environment: dict[str, str]) -> bool:
    asked = [node, "-e", "require.resolve('@grpc/grpc-js')"]
    return subprocess.run(asked, capture_output=True, check=False, env=environment).returncode == 0
