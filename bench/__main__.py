"""`make bench`: the server on one core, the load on another, everything against baselines of the same run."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import onnxruntime
import typer
from rich.console import Console
from rich.table import Table

from bench.load import Load, LoadError, require_h2load, run
from bench.workload import Workload, grpc_frames, prepare, warm_requests
from clients import Client

_WORK = Path("bench/work")
_UNARY = "kuntur.api.v1.ScoringService/ScoreTransaction"
_STREAM = "kuntur.api.v1.ScoringService/ScoreStream"
_SERVER_CORE, _LOAD_CORE = 0, 1
_BYTES_A_SCORE = 72
_READY_S = 60.0
_STREAMED = {1: 20_000, 64: 120_000, 512: 120_000}  # transactions of one stream by frame size
_console = Console()


@contextmanager
def _pinned(core: int, *command: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def _echo() -> Iterator[str]:
    with _pinned(_SERVER_CORE, sys.executable, "-m", "bench.echo", str(_BYTES_A_SCORE)) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"


@contextmanager
def _server(workload: Workload) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    arguments = ("serve", "--listen", address, "--registry", str(workload.registry))
    with _pinned(_SERVER_CORE, str(Path(sys.executable).parent / "kuntur-server"), *arguments):
        with Client(address) as client:
            client.wait_until_ready(_READY_S)
            client.send_history(iter(warm_requests(workload.raw)))
        yield address


def _measure(address: str, bodies: dict[str, Path], seconds: float, *, ramp: bool) -> dict[str, Load]:
    """Measures single calls and streams at one address."""
    log = _WORK / "h2load.log"
    loads = {}
    for in_flight in (1, 32):
        few = run(
            address, _UNARY, bodies["single"], requests=2_000, in_flight=in_flight, core=_LOAD_CORE, log=log
        )
        many = max(2_000, int(few.per_second * seconds))
        loads[f"unary_{in_flight}"] = run(
            address, _UNARY, bodies["single"], requests=many, in_flight=in_flight, core=_LOAD_CORE, log=log
        )
    for frame in _STREAMED:
        name = f"stream_{frame}"
        if ramp:
            run(address, _STREAM, bodies["ramp"], requests=1, in_flight=1, core=_LOAD_CORE, log=log)
        loads[name] = run(address, _STREAM, bodies[name], requests=1, in_flight=1, core=_LOAD_CORE, log=log)
    return loads


def _bodies(workload: Workload) -> dict[str, Path]:
    """Writes the request bodies. No transaction is in two of them, as the server counts each but once."""
    raw = iter(workload.raw[workload.load])

    def take(count: int) -> list[bytes]:
        return [next(raw) for _ in range(count)]

    contents = {"single": grpc_frames(take(1), 1), "ramp": grpc_frames(take(2_048), 64)}
    contents |= {f"stream_{frame}": grpc_frames(take(count), frame) for frame, count in _STREAMED.items()}
    paths = {}
    for name, content in contents.items():
        paths[name] = _WORK / f"{name}.bin"
        paths[name].write_bytes(content)
    return paths


def _parts(transactions: int, accounts: int) -> dict[str, float]:
    arguments = (str(_WORK / "parts"), str(transactions), str(accounts))
    command = ["taskset", "-c", str(_SERVER_CORE), sys.executable, "-m", "bench.parts", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _results(parts: dict[str, float], echo: dict[str, Load], served: dict[str, Load]) -> dict[str, float]:
    figures = dict(parts)
    for name, loads in (("echo", echo), ("kuntur", served)):
        for case, load in loads.items():
            if case.startswith("unary"):
                figures[f"{name}_{case}_per_s"] = load.per_second
                figures[f"{name}_{case}_p50_ms"] = load.percentile_ms(50)
                figures[f"{name}_{case}_p99_ms"] = load.percentile_ms(99)
            else:
                figures[f"{name}_{case}_tx_per_s"] = (
                    _STREAMED[int(case.removeprefix("stream_"))] / load.seconds
                )
    for in_flight in (1, 32):
        case = f"unary_{in_flight}"
        figures[f"ratio_{case}_to_echo"] = served[case].per_second / echo[case].per_second
    figures["ratio_unary_1_p50_to_echo"] = figures["kuntur_unary_1_p50_ms"] / figures["echo_unary_1_p50_ms"]
    figures["ratio_stream_1_to_echo"] = (
        figures["kuntur_stream_1_tx_per_s"] / figures["echo_stream_1_tx_per_s"]
    )
    for frame in (64, 512):
        alone = 1e6 / figures[f"onnxruntime_{frame}_us"]
        figures[f"ratio_stream_{frame}_to_onnxruntime"] = figures[f"kuntur_stream_{frame}_tx_per_s"] / alone
    return figures


def _machine() -> dict[str, str]:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }


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
    seconds: Annotated[float, typer.Option(help="Length of each measurement of single calls.")] = 5.0,
    accounts: Annotated[int, typer.Option(help="Accounts among the transactions.")] = 10_000,
    output: Annotated[Path, typer.Option(help="Where to write the figures.")] = Path("bench/results.json"),
) -> None:
    """Measures the server and its parts, prints a table and writes the figures."""
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench needs two cores: one for the server, one for the load")
    try:
        require_h2load()
        transactions = 2_049 + sum(_STREAMED.values())
        with _console.status("The parts alone"):
            parts = _parts(transactions, accounts)
        with _console.status("Preparing the load"):
            workload = prepare(_WORK / "served", transactions, accounts)
            bodies = _bodies(workload)
        with _console.status("Bare echo"), _echo() as address:
            time.sleep(0.5)
            echo = _measure(address, bodies, seconds, ramp=False)
        with _console.status("Kuntur"), _server(workload) as address:
            served = _measure(address, bodies, seconds, ramp=True)
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = _results(parts, echo, served)
    _show(figures)
    document = {"machine": _machine(), "figures": {name: round(value, 4) for name, value in figures.items()}}
    output.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    _console.print(f"Written to {output}")


if __name__ == "__main__":
    typer.run(main)
