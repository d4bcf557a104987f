"""One load whose rate changes: single calls due at random, phase after phase, without a break between them.

Run as a process of its own, as `python -m bench.load.phases` (see `offer_phases`).
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.load.h2load import LoadError
from bench.load.openloop import OpenLoad, due_times, send_all, split_bodies


@dataclass(frozen=True, slots=True)
class Phase:
    """So many calls a second for so many seconds."""

    rate: float
    seconds: float

    @property
    def calls(self) -> int:
        """Calls in all."""
        return int(self.rate * self.seconds)


class Offered:
    """A load that goes on by itself."""

    def __init__(self, process: subprocess.Popen[str], phases: Sequence[Phase], out: Path) -> None:
        self._process, self._phases, self._out = process, phases, out

    def going_on(self, seconds: float) -> bool:
        """Waits for so long or until the end; tells whether the load still goes on."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def result(self) -> list[OpenLoad]:
        """Waits for the end and gives what became of each phase's calls. Raises LoadError."""
        _, errors = self._process.communicate()
        if self._process.returncode:
            raise LoadError(f"the load failed: {errors[-500:]}")
        with np.load(self._out) as times:
            arrays = [times[name] for name in ("due", "sent", "ended", "ok")]
        self._out.unlink()
        found, first = [], 0
        for phase in self._phases:
            found.append(OpenLoad(*(array[first : first + phase.calls] for array in arrays)))
            first += phase.calls
        return found


@contextmanager
def offer_phases(
    address: str,
    method: str,
    bodies: Path,
    phases: Sequence[Phase],
    *,
    core: int,
    connections: int,
    source: str = "",
) -> Iterator[Offered]:
    """Offers a body each for the calls of all phases from one core, while the block lasts.

    bodies: as for `bench.load.openloop`, as many as the phases have calls; source: the address to connect
    from, if given.
    """
    out = bodies.with_suffix(".times.npz")
    text = ",".join(f"{phase.rate}:{phase.seconds}" for phase in phases)
    command = ["taskset", "-c", str(core), sys.executable, "-m", "bench.load.phases", address, method]
    process = subprocess.Popen(
        [*command, str(bodies), text, str(connections), str(out), source], stderr=subprocess.PIPE, text=True
    )
    try:
        yield Offered(process, phases, out)
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Sends and writes the times."""
    address, method, path, text, connections, out, source = sys.argv[1:]
    due, start = [], 0.0
    for phase in text.split(","):
        rate, seconds = map(float, phase.split(":"))
        due.append(start + due_times(rate, Phase(rate, seconds).calls, "poisson"))
        start += seconds
    joined = np.maximum.accumulate(np.concatenate(due))  # a phase at random may end a little late
    bodies = split_bodies(Path(path).read_bytes())
    gc.disable()
    load = send_all(address, method, bodies, joined, int(connections), source=source)
    np.savez(out, due=load.due, sent=load.sent, ended=load.ended, ok=load.ok)


if __name__ == "__main__":
    main()
