"""Load by h2load (nghttp2), a program that knows nothing of Kuntur and costs less than what it measures.

It has one body for all calls: for streams, and for servers that answer the same call anew each time. Single
calls to Kuntur each need a transaction of their own: `bench.load.closed`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_DONE = re.compile(r"finished in ([0-9.]+)(us|ms|s|m)?,")
_SUCCEEDED = re.compile(r"(\d+) succeeded")
_SCALE = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, None: 1.0}


class LoadError(Exception):
    """A load did not succeed, or its generator is not there."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load came to: requests that succeeded, seconds in all, seconds of each."""

    requests: int
    seconds: float
    latencies_s: np.ndarray[tuple[int], np.dtype[np.float64]]

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile_ms(self, q: float) -> float:
        """A percentile of the latencies, in milliseconds."""
        return float(np.percentile(self.latencies_s, q) * 1e3)


def require_h2load() -> None:
    """Sees to it that h2load is there, from Debian's packages where that is possible. Raises LoadError."""
    if shutil.which("h2load"):
        return
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "nghttp2-client"]):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise LoadError("h2load is needed: install nghttp2-client (Debian) or nghttp2") from error


def run(
    address: str,
    method: str,
    body: Path,
    *,
    requests: int,
    in_flight: int,
    core: int,
    log: Path,
    tls: bool = False,
    authorization: str = "",
) -> Load:
    """Sends a body `requests` times, so many at once, from one core. Raises LoadError unless all succeed.

    method: full name, such as kuntur.api.v1.ScoringService/ScoreTransaction; tls: whether the server speaks
    it, with whatever certificate; authorization: metadata of that name.
    """
    log.unlink(missing_ok=True)
    command = [
        "taskset", "-c", str(core), "h2load", "-n", str(requests), "-c", "1", "-m", str(in_flight),
        "-w", "24", "-W", "24", "-d", str(body), f"--log-file={log}",
        "-H", "content-type: application/grpc", "-H", "te: trailers", f"{'https' if tls else 'http'}://{address}/{method}",
    ]  # fmt: skip
    if authorization:
        command[-1:-1] = ["-H", f"authorization: {authorization}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    finished, succeeded = _DONE.search(done.stdout), _SUCCEEDED.search(done.stdout)
    if finished is None or succeeded is None or int(succeeded[1]) != requests:
        raise LoadError(f"h2load failed: {done.stdout[-500:]} {done.stderr[-500:]}")
    seconds = float(finished[1]) * _SCALE[finished[2]]
    latencies = np.loadtxt(log, usecols=2, ndmin=1) / 1e6  # microseconds in the third column
    return Load(requests, seconds, latencies)
