"""An environment of its own for each peer, made on first use: their needs clash with those of Kuntur."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime

from bench.peers.catalogue import AS_OF, Peer, PeerError

WORK = Path("bench/work/peers")


def interpreter(peer: Peer) -> Path:
    """Returns the interpreter of the peer's environment, which is made unless it is there as wanted.

    ONNX Runtime is of the version that Kuntur has here. Raises PeerError.
    """
    environment = WORK / peer.name / "venv"
    python, marker = environment / "bin" / "python", environment / "installed"
    packages = (peer.requirement, f"onnxruntime=={onnxruntime.__version__}")
    wanted = " ".join((*packages, AS_OF, sys.version))
    if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(environment, ignore_errors=True)
    _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    as_of = ("--exclude-newer", AS_OF, "--exclude-newer-package", "onnxruntime=false")
    _run(sys.executable, "-m", "uv", "pip", "install", "--python", str(python), *as_of, *packages)
    marker.write_text(wanted, encoding="utf-8")  # last, so that what was cut off is done again
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise PeerError(f"cannot be installed: {said[-300:]}")
