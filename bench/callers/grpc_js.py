"""grpc-js, gRPC's client for Node.js: where it is, or fetched once from npm."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_PACKAGE = "@grpc/grpc-js@1.14.3"
_PATIENCE_S = 300.0


def grpc_js(folder: Path) -> dict[str, str] | None:
    """Returns an environment in which Node.js finds grpc-js; None where Node.js or npm cannot be had.

    folder: where it is fetched to, unless it is there or where the environment says.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        return None
    environment = {**os.environ, "NODE_PATH": str((folder / "node_modules").resolve())}
    for found in (dict(os.environ), environment):
        if _has(node, found):
            return found
    if npm is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    install = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), _PACKAGE]
    subprocess.run(install, capture_output=True, check=False, timeout=_PATIENCE_S)
    return environment if _has(node, environment) else None


def _has(node: str, environment: dict[str, str]) -> bool:
    asked = [node, "-e", "require.resolve('@grpc/grpc-js')"]
    return subprocess.run(asked, capture_output=True, check=False, env=environment).returncode == 0
