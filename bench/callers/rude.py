"""Callers that come again at once when they are refused, seven times (see `rude`)."""

from __future__ import annotations

import gc
import json
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.callers.hostile import SOURCE
from bench.load.h2load import LoadError
from bench.load.http2 import Connection
from bench.load.openloop import due_times, split_bodies
from bench.measuring.programs import UNARY

_TRIES = 8
_PATIENCE_S = 30.0


class RudeCallers:
    """A crowd that is at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def answered(self) -> int:
        """Waits for the end and returns how many calls got a score at last. Raises LoadError."""
        try:
            out, errors = self._process.communicate(timeout=2 * _PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise LoadError("the rude callers did not end") from error
        if self._process.returncode:
            raise LoadError(f"the rude callers failed: {errors[-500:]}")
        return int(json.loads(out))


@contextmanager
def rude(
    address: str, bodies: Path, first: int, rate: float, seconds: float, core: int, connections: int
) -> Iterator[RudeCallers]:
    """Offers bodies of a file from the `first` on, so many a second, each up to eight times."""
    arguments = (address, str(bodies), str(first), str(rate), str(seconds), str(connections))
    process = subprocess.Popen(
        ["taskset", "-c", str(core), sys.executable, "-m", "bench.callers.rude", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield RudeCallers(process)
    finally:
        process.kill()
        process.wait()


def _send_all(opened: list[Connection], bodies: list[bytes], due: list[float]) -> int:
    """Sends each when it is due and again as soon as it is refused; returns how many got a score."""
    clock = time.perf_counter
    start, count = clock() + 0.2, len(bodies)
    again: list[deque[tuple[int, int]]] = [deque() for _ in opened]  # number of the body, tries made
    sent: list[dict[int, tuple[int, int]]] = [{} for _ in opened]
    following = done = answered = 0
    while done < count:
        now = clock() - start
        if now > due[-1] + _PATIENCE_S:
            break
        while following < count and due[following] <= now:
            again[following % len(opened)].append((following, 0))
            following += 1
        for place, connection in enumerate(opened):
            while again[place] and connection.takes(len(bodies[again[place][0][0]])):
                number, tries = again[place].popleft()
                sent[place][connection.send(bodies[number])] = number, tries + 1
        for connection in select.select(opened, (), (), 0.0005)[0]:
            place = opened.index(connection)
            for stream, good in connection.receive():
                number, tries = sent[place].pop(stream)
                if good or tries == _TRIES:
                    done += 1
                    answered += good
                else:
                    again[place].append((number, tries))
        for connection in opened:
            connection.flush()
    return answered


def main() -> None:
    """Sends and prints how many got a score."""
    address, path, first, rate, seconds, connections = sys.argv[1:]
    due = due_times(float(rate), int(float(rate) * float(seconds)), "poisson").tolist()
    bodies = split_bodies(Path(path).read_bytes())[int(first) : int(first) + len(due)]
    gc.disable()
    opened = [Connection(address, UNARY, SOURCE) for _ in range(int(connections))]
    print(json.dumps(_send_all(opened, bodies, due)))


if __name__ == "__main__":
    main()
