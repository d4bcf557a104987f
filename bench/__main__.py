"""`make bench`: the server on one core, the load on another, everything against baselines of the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.costs.parts import model_alone
from bench.load import closed
from bench.load.bodies import Supply
from bench.load.h2load import Load, LoadError, require_h2load, run
from bench.load.workload import Workload, grpc_frames, prepare
from bench.measuring.programs import LOAD_CORE, SERVER_CORE, STREAM, UNARY, echo, server
from bench.measuring.report import machine

_WORK = Path("bench/work")
_IN_FLIGHT = (1, 32)
_FEW = 2_000  # single calls that show how many a measurement takes
_ROUNDS = 5  # of streams
_RAMP = 512  # transactions before each stream
_STREAMED = {1: 4_000, 64: 25_600, 512: 25_600}  # transactions of one stream by frame size
_console = Console()


def _measure_singles(
    addresses: dict[str, str], workload: Workload, seconds: float, rounds: int
) -> dict[str, list[Load]]:
    """Measures single calls at each address in turn, round after round, so that a slow spell hits all.

    Each call has a transaction of its own, which are later ones than those of the streams.
    """
    supply, path = Supply(workload), _WORK / "singles.bin"
    loads: dict[str, list[Load]] = {}
    for in_flight in _IN_FLIGHT:
        bodies, counts = supply.write_singles(path, _FEW), {}
        for name, address in addresses.items():
            few = closed.run(address, UNARY, bodies, requests=_FEW, in_flight=in_flight, core=LOAD_CORE)
            counts[name] = max(1_000, int(few.per_second * seconds / rounds))
        for _ in range(rounds):
            bodies = supply.write_singles(path, max(counts.values()))
            for name, address in addresses.items():
                load = closed.run(
                    address, UNARY, bodies, requests=counts[name], in_flight=in_flight, core=LOAD_CORE
                )
                loads.setdefault(f"{name}_unary_{in_flight}", []).append(load)
    return loads


def _measure_streams(
    addresses: dict[str, str], bodies: dict[str, Path], workload: Workload
) -> tuple[dict[str, list[Load]], list[dict[str, float]]]:
    """Measures one stream of each frame size at each address, and ONNX Runtime alone, in turn."""
    log = _WORK / "h2load.log"
    loads: dict[str, list[Load]] = {}
    alone = []
    for number in range(_ROUNDS):
        for frame in _STREAMED:
            for name, address in addresses.items():
                for body in (f"ramp_{number}", f"stream_{frame}_{number}"):
                    load = run(
                        address, STREAM, bodies[body], requests=1, in_flight=1, core=LOAD_CORE, log=log
                    )
                loads.setdefault(f"{name}_stream_{frame}", []).append(load)
        alone.append(_model_alone(workload))
    return loads, alone


def _model_alone(workload: Workload) -> dict[str, float]:
    """Measures ONNX Runtime on the core of the server, which is idle just now."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        return model_alone(workload.onnx, workload.features[workload.load], rows=8_192)
    finally:
        os.sched_setaffinity(0, allowed)


def _bodies(workload: Workload) -> dict[str, Path]:
    """Writes the bodies of the streams. No transaction is in two, as the server scores each but once."""
    raw = iter(workload.raw[workload.load])

    def take(count: int) -> list[bytes]:
        return [next(raw) for _ in range(count)]

    contents = {}
    for number in range(_ROUNDS):
        contents[f"ramp_{number}"] = grpc_frames(take(_RAMP), 64)
        for frame, count in _STREAMED.items():
            contents[f"stream_{frame}_{number}"] = grpc_frames(take(count), frame)
    paths = {}
    for name, content in contents.items():
        paths[name] = _WORK / f"{name}.bin"
        paths[name].write_bytes(content)
    return paths


def _parts(transactions: int, accounts: int) -> dict[str, float]:
    arguments = (str(_WORK / "parts"), str(transactions), str(accounts))
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "bench.costs.parts", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _results(
    parts: dict[str, float], loads: dict[str, list[Load]], alone: list[dict[str, float]]
) -> dict[str, float]:
    """Returns all figures: medians over the rounds, and for ratios the median of the rounds' own ratios."""
    figures = parts | {name: median(each[name] for each in alone) for name in alone[0]}
    for case, rounds in loads.items():
        if "stream" in case:
            sent = _STREAMED[int(case.rpartition("_")[2])]
            figures[f"{case}_tx_per_s"] = median(sent / load.seconds for load in rounds)
            continue
        figures[f"{case}_per_s"] = median(load.per_second for load in rounds)
        figures[f"{case}_p50_ms"] = median(load.percentile_ms(50) for load in rounds)
        figures[f"{case}_p99_ms"] = median(load.percentile_ms(99) for load in rounds)
    for in_flight in _IN_FLIGHT:
        case = f"unary_{in_flight}"
        pairs = list(zip(loads[f"kuntur_{case}"], loads[f"echo_{case}"], strict=True))
        figures[f"ratio_{case}_to_echo"] = median(k.per_second / e.per_second for k, e in pairs)
        p50 = median(k.percentile_ms(50) / e.percentile_ms(50) for k, e in pairs)
        figures[f"ratio_{case}_p50_to_echo"] = p50
    figures["ratio_stream_1_to_echo"] = median(
        e.seconds / k.seconds for k, e in zip(loads["kuntur_stream_1"], loads["echo_stream_1"], strict=True)
    )
    for frame in (64, 512):
        figures[f"ratio_stream_{frame}_to_onnxruntime"] = median(
            each[f"onnxruntime_{frame}_us"] * 1e-6 * _STREAMED[frame] / load.seconds
            for each, load in zip(alone, loads[f"kuntur_stream_{frame}"], strict=True)
        )
    return figures


_PER_S, _TX_PER_S, _US, _US_A_ROW = "{:,.0f}/s", "{:,.0f} tx/s", "{:.2f} µs", "{:.2f} µs a row"
_ECHO, _ECHO_STREAM, _ONNX = "of a bare echo", "of an echo stream", "of ONNX Runtime alone"
# What is shown: text, figure, its form, its ratio, to what.
_SHOWN = (
    ("single call, 1 in flight", "kuntur_unary_1_per_s", _PER_S, "unary_1_to_echo", _ECHO),
    ("  its p50", "kuntur_unary_1_p50_ms", "{:.3f} ms", "unary_1_p50_to_echo", "× the echo's"),
    ("single call, 32 in flight", "kuntur_unary_32_per_s", _PER_S, "unary_32_to_echo", _ECHO),
    ("stream, frames of 1", "kuntur_stream_1_tx_per_s", _TX_PER_S, "stream_1_to_echo", _ECHO_STREAM),
    ("stream, frames of 64", "kuntur_stream_64_tx_per_s", _TX_PER_S, "stream_64_to_onnxruntime", _ONNX),
    ("stream, frames of 512", "kuntur_stream_512_tx_per_s", _TX_PER_S, "stream_512_to_onnxruntime", _ONNX),
    ("ONNX Runtime alone, 1 row", "onnxruntime_1_us", _US, "", ""),
    ("ONNX Runtime alone, 64 rows", "onnxruntime_64_us", _US_A_ROW, "", ""),
    ("engine, one transaction", "engine_single_us", _US, "", ""),
    ("engine, in bulk", "engine_bulk_us", _US_A_ROW, "", ""),
    ("reading a request of 1", "read_1_us", _US, "", ""),
    ("reading a request of 64", "read_64_us", _US_A_ROW, "", ""),
    ("writing a response of 64", "write_64_us", _US_A_ROW, "", ""),
)


def _show(figures: dict[str, float]) -> None:
    table = Table(title="200 trees of depth 6, whole catalogue; server on one core, load on another")
    for heading in ("", "", "against the baseline of this run"):
        table.add_column(heading, justify="right" if heading == "" and table.columns else "left")
    for text, name, form, ratio, of in _SHOWN:
        table.add_row(
            text, form.format(figures[name]), f"{figures[f'ratio_{ratio}']:.2f} {of}" if ratio else ""
        )
    _console.print(table)


def main(
    seconds: Annotated[float, typer.Option(help="Length of each measurement of single calls.")] = 8.0,
    rounds: Annotated[int, typer.Option(help="Rounds that it is cut into, echo and Kuntur in turn.")] = 8,
    accounts: Annotated[int, typer.Option(help="Accounts among the transactions.")] = 10_000,
    output: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path("bench/results.json"),
) -> None:
    """Measures the server and its parts, prints a table and writes the figures."""
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench needs two cores: one for the server, one for the load")
    try:
        require_h2load()
        transactions = _ROUNDS * (_RAMP + sum(_STREAMED.values()))
        with _console.status("The parts alone"):
            parts = _parts(transactions, accounts)
        with _console.status("Preparing the load"):
            workload = prepare(_WORK / "served", transactions, accounts)
            bodies = _bodies(workload)
        with echo() as bare, server(workload) as kuntur:
            addresses = {"echo": bare, "kuntur": kuntur}
            with _console.status("Streams"):
                streams, alone = _measure_streams(addresses, bodies, workload)
            with _console.status("Single calls, in turn at a bare echo and at Kuntur"):
                loads = _measure_singles(addresses, workload, seconds, rounds)
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = _results(parts, loads | streams, alone)
    _show(figures)
    document = {"machine": machine(), "figures": {name: round(value, 4) for name, value in figures.items()}}
    output.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    _console.print(f"Written to {output}")


if __name__ == "__main__":
    typer.run(main)
