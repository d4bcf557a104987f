"""`python -m bench.serving.transports`: both transports, and bare echoes on grpcio and grpc.aio.

All servers share one core and take turns; those that are not asked sleep.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from bench.load import closed
from bench.load.bodies import Supply
from bench.load.h2load import Load, LoadError, require_h2load, run
from bench.load.workload import grpc_frames, prepare
from bench.measuring.programs import LOAD_CORE, STREAM, UNARY, echo, running
from bench.measuring.report import Sheet, median_ratio, write

_WORK = Path("bench/work")
_FRAME, _STREAMED = 64, 16_384  # transactions of a frame, and of a stream
_CASES = ("unary_1", "unary_32", "stream_64")
_SERVERS = {
    "fast": "Kuntur, fast",
    "plain": "Kuntur, plain",
    "echo": "bare echo on grpcio",
    "aio": "bare echo on grpc.aio",
}


def _measure(address: str, case: str, bodies: dict[str, Path], requests: int) -> Load:
    method, _, in_flight = case.partition("_")
    body = bodies[case]
    if method == "stream":
        log = _WORK / "h2load.log"
        return run(address, STREAM, body, requests=1, in_flight=1, core=LOAD_CORE, log=log)
    return closed.run(address, UNARY, body, requests=requests, in_flight=int(in_flight), core=LOAD_CORE)


def _bodies(supply: Supply, requests: int) -> dict[str, Path]:
    """Writes request bodies of transactions that no server has got yet."""
    bodies = {case: _WORK / f"transports.{case}.bin" for case in _CASES}
    for case, path in bodies.items():
        frame, count = (_FRAME, _STREAMED) if case == "stream_64" else (1, requests)
        path.write_bytes(grpc_frames(supply.take(count), frame))
    return bodies


def _rates(case: str, loads: list[Load]) -> list[float]:
    """Returns the transactions a second of each round."""
    return [_STREAMED / load.seconds if case == "stream_64" else load.per_second for load in loads]


def _figures(loads: dict[tuple[str, str], list[Load]]) -> dict[str, float]:
    figures = {}
    for server in _SERVERS:
        for case in _CASES:
            rates = _rates(case, loads[server, case])
            figures[f"{server}_{case}_per_s"] = median(rates)
            figures[f"{server}_{case}_to_echo"] = median_ratio(rates, _rates(case, loads["echo", case]))
        figures[f"{server}_p50_ms"] = median(load.percentile_ms(50) for load in loads[server, "unary_1"])
    return figures


def _sheet(figures: dict[str, float]) -> Sheet:
    rows = [
        (
            words,
            f"{figures[f'{server}_p50_ms']:.2f} ms",
            *(
                f"{figures[f'{server}_{case}_per_s']:,.0f}/s, × {figures[f'{server}_{case}_to_echo']:.2f}"
                for case in _CASES
            ),
        )
        for server, words in _SERVERS.items()
    ]
    headings = ("", "lone call, p50", "one in flight", "32 in flight", "transactions in frames of 64")
    return Sheet("The transports, and against a bare echo on grpcio", headings, rows)


def main(
    rounds: Annotated[int, typer.Option(help="Rounds, all servers in turn.")] = 5,
    requests: Annotated[int, typer.Option(help="Single calls of a measurement.")] = 3_000,
) -> None:
    """Measures, shows and writes."""
    loads: dict[tuple[str, str], list[Load]] = {}
    try:
        require_h2load()
        workload = prepare(_WORK / "transports", _STREAMED, 10_000)
        supply = Supply(workload)
        with ExitStack() as opened:
            addresses = {
                name: opened.enter_context(running(workload, settings={"rpc.transport": name})).address
                for name in ("fast", "plain")
            }
            addresses["echo"] = opened.enter_context(echo())
            addresses["aio"] = opened.enter_context(echo(module="bench.measuring.echo_aio"))
            for number in range(rounds + 1):
                bodies = _bodies(supply, requests)
                for case in _CASES:
                    for name, address in addresses.items():
                        load = _measure(address, case, bodies, requests)
                        if number:  # the first round warms up
                            loads.setdefault((name, case), []).append(load)
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = _figures(loads)
    write("transports", figures, _sheet(figures))


if __name__ == "__main__":
    typer.run(main)
