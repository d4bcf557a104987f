"""Clients on grpcio and grpc-js with the shipped service config, each a process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from bench.callers.grpc_js import grpc_js
from bench.load.h2load import LoadError
from bench.load.openloop import due_times, split_bodies
from bench.measuring.programs import UNARY

SERVICE_CONFIG = Path("protos/kuntur/api/v1/service_config.json")
_JAVASCRIPT = Path(__file__).with_name("polite.js")
_NODE = Path("bench/work/node")
_PATIENCE_S = 60.0
_READY = "ready"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of the calls of one client: how many ended how, and how long the good ones took."""

    statuses: Counter[str]
    latencies_ms: list[float]

    @property
    def calls(self) -> int:
        """Calls in all."""
        return self.statuses.total()

    @property
    def answered(self) -> float:
        """The share that got a score."""
        return self.statuses["OK"] / self.calls

    def percentile_ms(self, q: float) -> float:
        """A percentile of the latencies of calls that got a score, tries and pauses included."""
        return float(np.percentile(self.latencies_ms, q)) if self.latencies_ms else float("nan")


class PoliteClient:
    """A client that waits for the word to begin."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait_until_ready(self) -> None:
        """Waits until it could begin. Raises LoadError."""
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != _READY:
            raise LoadError("a client did not start")

    def begin(self) -> None:
        """Has it send its calls."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def told(self) -> Told:
        """Waits for the end of its calls. Raises LoadError."""
        try:
            out, errors = self._process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise LoadError("a client did not end") from error
        if self._process.returncode:
            raise LoadError(f"a client failed: {errors[-500:]}")
        document = json.loads(out)
        return Told(Counter(document["statuses"]), document["latencies_ms"])


@contextmanager
def polite(
    language: str, address: str, bodies: Path, first: int, rate: float, seconds: float, core: int
) -> Iterator[PoliteClient]:
    """Has a client that sends bodies of a file from the `first` on, so many a second, with 2 s for each.

    language: python or node.
    """
    environment: dict[str, str] | None = None  # this process's own
    program: Sequence[str] = (sys.executable, "-m", "bench.callers.polite")
    if language == "node":
        program = ("node", str(_JAVASCRIPT))
        environment = grpc_js(_NODE)
        if environment is None:
            raise LoadError("grpc-js is needed: install node and npm, which fetches it")
    arguments = (address, f"/{UNARY}", str(bodies), str(first), str(rate), str(seconds), str(SERVICE_CONFIG))
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield PoliteClient(process)
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Sends and prints what became of the calls, as JSON."""
    address, method, path, first, rate, seconds, config = sys.argv[1:]
    due = due_times(float(rate), int(float(rate) * float(seconds)), "even").tolist()
    bodies = split_bodies(Path(path).read_bytes())[int(first) : int(first) + len(due)]
    options = [("grpc.service_config", Path(config).read_text(encoding="utf-8"))]
    statuses: Counter[str] = Counter()
    latencies_ms: list[float] = []
    left = threading.Semaphore(0)
    with grpc.insecure_channel(address, options=options) as channel:
        grpc.channel_ready_future(channel).result(10)
        ask: Any = channel.unary_unary(method).future
        print(_READY, flush=True)
        sys.stdin.readline()
        start = time.perf_counter()
        for body, when in zip(bodies, due, strict=True):
            time.sleep(max(0.0, start + when - time.perf_counter()))

            def ended(call: Any, began: float = time.perf_counter()) -> None:
                code = call.code().name
                statuses[code] += 1
                if code == "OK":
                    latencies_ms.append((time.perf_counter() - began) * 1e3)
                left.release()

            ask(body[5:], timeout=2.0).add_done_callback(ended)
        for _ in due:
            left.acquire()
    json.dump({"statuses": statuses, "latencies_ms": latencies_ms}, sys.stdout)


if __name__ == "__main__":
    main()
