"""Load at a fixed rate, whatever the server does: each call is due at a time and its latency counts from it.

h2load does not do for this: at a given rate it sends what is due every 10 ms in one burst, and its times
count from the sending, so that what waits in the client for a slot is left out. It also sends one body for
all calls; here each has its own.

Run as a process of its own, as `python -m bench.load.openloop` (see `offer`).
"""

from __future__ import annotations

import gc
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from bench.load.h2load import LoadError
from bench.load.http2 import Connection

Arrivals = Literal["even", "poisson", "closed"]
_SPIN_S = 150e-6  # a sleeping process wakes up later than asked by about half of this
_PATIENCE_S = 30.0
_DEADLINE_S = 1.0  # of a call that the server's bound on streams keeps waiting here
_SEED = 7
_CLOSED_IN_FLIGHT = 32
_STRETCH_S = 0.1
_Times = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """What became of each call, in the order they were due, times in seconds.

    due: when it should have been sent; sent: when it was; ended: when its response was whole; ok: whether
    it carried a message.
    """

    due: _Times
    sent: _Times
    ended: _Times
    ok: npt.NDArray[np.bool_]

    @property
    def latencies_s(self) -> _Times:
        """Seconds from when each call was due until it ended, of those that succeeded."""
        return (self.ended - self.due)[self.ok]

    @property
    def refused(self) -> int:
        """Calls that did not succeed."""
        return int(np.count_nonzero(~self.ok))

    @property
    def per_second(self) -> float:
        """Calls that succeeded, a second."""
        return float(np.count_nonzero(self.ok) / (self.ended.max() - self.due[0]))

    def typical_ms(self, q: float, *, since_sent: bool = False) -> float:
        """The median over stretches of 0.1 s of their percentile, in milliseconds; NaN when there is none.

        What stops the machine now and then, and is not of the server, is left out by it. since_sent: without
        what a call waited in the load generator.
        """
        stretch = (self.due[self.ok] / _STRETCH_S).astype(np.intp)  # ascending, as calls are due
        starts = np.flatnonzero(np.diff(stretch)) + 1
        latencies = (self.ended - self.sent)[self.ok] if since_sent else self.latencies_s
        stretches = np.split(latencies, starts)[:-1]  # the last is cut off
        return float(np.median([np.percentile(one, q) * 1e3 for one in stretches])) if stretches else np.nan

    def percentile_ms(self, q: float) -> float:
        """A percentile of the latencies, in milliseconds; NaN when none succeeded."""
        latencies = self.latencies_s
        return float(np.percentile(latencies, q) * 1e3) if len(latencies) else float("nan")


def due_times(rate: float, count: int, arrivals: Arrivals) -> _Times:
    """Returns when each of so many calls is due, in seconds from the start, float64 [count].

    even: one every 1/rate; poisson: at random with that mean, the same each time; closed: all at once, of
    which the sender has only so many in flight.
    """
    if arrivals == "closed":
        return np.zeros(count)
    if arrivals == "even":
        return np.arange(count) / rate
    gaps = np.random.default_rng(_SEED).exponential(1 / rate, count)
    return np.asarray(np.cumsum(gaps) - gaps[0])


def split_bodies(content: bytes) -> list[bytes]:
    """Cuts bodies that stand behind one another apart, each a gRPC message with its prefix."""
    bodies, place = [], 0
    while place < len(content):
        end = place + 5 + int.from_bytes(content[place + 1 : place + 5], "big")
        bodies.append(content[place:end])
        place = end
    return bodies


def send_all(
    address: str,
    method: str,
    bodies: list[bytes],
    due_s: _Times,
    connections: int,
    most_in_flight: int = 1 << 30,
    source: str = "",
) -> OpenLoad:
    """Sends each body when it is due, over so many connections in turn. Raises LoadError.

    source: the address to connect from, if given.
    """
    count = len(due_s)
    sent, ended = np.full(count, np.nan), np.full(count, np.nan)
    ok = np.zeros(count, dtype=np.bool_)
    opened = [Connection(address, method, source) for _ in range(connections)]
    numbers: list[dict[int, int]] = [{} for _ in opened]
    clock = time.perf_counter
    start = clock() + 0.2
    due = due_s + start
    due_list = due.tolist()
    following, done, ended_last = 0, 0, start
    while done < count:
        now = clock()
        while following < count and due_list[following] <= now and following - done < most_in_flight:
            place = following % connections
            body = bodies[following]
            if not opened[place].takes(len(body)):
                if now - due_list[following] <= _DEADLINE_S:
                    break
                sent[following] = ended[following] = now  # given up unsent, as a caller's deadline does
                following += 1
                done += 1
                continue
            sent[following] = now
            numbers[place][opened[place].send(body)] = following
            following += 1
            now = clock()
        waits = following < count and following - done < most_in_flight
        wait = due_list[following] - now if waits else 0.01
        ready = select.select(opened, (), (), max(0.0, min(wait - _SPIN_S, 0.05)))[0]
        for connection in ready:
            mine = numbers[opened.index(connection)]
            for stream, good in connection.receive():
                number = mine.pop(stream)
                ended_last = clock()
                ended[number], ok[number] = ended_last, good
                done += 1
        for connection in opened:
            connection.flush()
        if now > max(due_list[-1], ended_last) + _PATIENCE_S:
            raise LoadError(f"{count - done} of {count} calls had no answer after {_PATIENCE_S:.0f} s")
    for connection in opened:
        connection.close()
    return OpenLoad(due - start, sent - start, ended - start, ok)


def offer(
    address: str,
    method: str,
    bodies: Path,
    *,
    first: int,
    rate: float,
    seconds: float,
    core: int,
    connections: int = 1,
    arrivals: Arrivals = "even",
) -> OpenLoad:
    """Offers bodies of a file from the `first` on at a rate, from one core. Raises LoadError.

    bodies: gRPC messages with their prefixes, one behind another, at least first + rate × seconds of them.
    """
    out = bodies.with_suffix(".times.npz")
    arguments = (
        address,
        method,
        str(bodies),
        str(first),
        str(rate),
        str(seconds),
        str(connections),
        arrivals,
    )
    command = ["taskset", "-c", str(core), sys.executable, "-m", "bench.load.openloop", *arguments, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"the load failed: {done.stderr[-500:]}")
    with np.load(out) as times:
        load = OpenLoad(times["due"], times["sent"], times["ended"], times["ok"])
    out.unlink()
    return load


def maximum(address: str, method: str, bodies: Path, count: int, core: int, connections: int = 4) -> float:
    """Returns the calls a second with 32 in flight, each with a body of its own. Raises LoadError."""
    load = offer(
        address, method, bodies, first=0, rate=count, seconds=1, core=core,
        connections=connections, arrivals="closed",
    )  # fmt: skip
    return len(load.due) / float(load.ended.max())


def main() -> None:
    """Sends and writes the times."""
    address, method, path, first, rate, seconds, connections, arrivals, out = sys.argv[1:]
    due = due_times(float(rate), int(float(rate) * float(seconds)), cast(Arrivals, arrivals))
    bodies = split_bodies(Path(path).read_bytes())[int(first) : int(first) + len(due)]
    if len(bodies) < len(due):
        sys.exit(f"{path} has {len(bodies)} bodies from {first} on, {len(due)} are needed")
    gc.disable()
    most = _CLOSED_IN_FLIGHT if arrivals == "closed" else 1 << 30
    load = send_all(address, method, bodies, due, int(connections), most)
    np.savez(out, due=load.due, sent=load.sent, ended=load.ended, ok=load.ok)


if __name__ == "__main__":
    main()
