"""`python -m bench.costs.options`: what journal, reasons, TLS and tokens cost, against a server without them.

Servers take turns on one core: with a journal, with one that is synced before an answer leaves, with TLS,
with TLS and tokens, with both and a journal that is encrypted and signed, and with nothing of it; a bare echo
without TLS beside them. The others sleep meanwhile. A request asks for reasons or does not. No server gets a
transaction twice, since it would give its first answer again. The first round is for nothing: it warms up.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from bench.load import closed
from bench.load.bodies import Supply
from bench.load.h2load import Load, LoadError, require_h2load, run
from bench.load.workload import grpc_frames, prepare
from bench.measuring.certificates import self_signed
from bench.measuring.programs import LOAD_CORE, STREAM, UNARY, echo, running
from bench.measuring.report import Sheet, median_ratio, write
from bench.measuring.tokens import access

_WORK = Path("bench/work")
_REASONS = b"\x10\x01"  # reasons_mode: REASONS_MODE_ALL
_OPTIONS = ("plain", "journal", "disk", "reasons", "both", "tls", "token", "all")
_SECURED = {"tls", "token", "all"}
_AUTHORISED = {"token", "all"}
_WORDS = {
    "plain": "neither",
    "journal": "journal",
    "disk": "journal, `disk`",
    "reasons": "reasons",
    "both": "reasons and journal",
    "tls": "TLS 1.3",
    "token": "TLS 1.3 and a token",
    "all": "TLS 1.3, a token, a journal encrypted and signed",
}
_STREAMED = 32_768  # transactions of one stream
_CASES = ("unary_1", "unary_32", "stream_64", "stream_512")
_ECHOED = "unary_32"


def _measure(address: str, case: str, body: Path, requests: int, *, tls: bool, authorization: str) -> Load:
    kind, _, size = case.partition("_")
    if kind == "stream":
        return run(
            address,
            STREAM,
            body,
            requests=1,
            in_flight=1,
            core=LOAD_CORE,
            log=_WORK / "h2load.log",
            tls=tls,
            authorization=authorization,
        )
    return closed.run(
        address,
        UNARY,
        body,
        requests=requests,
        in_flight=int(size),
        core=LOAD_CORE,
        tls=tls,
        authorization=authorization,
    )


def _bodies(supply: Supply, case: str, requests: int) -> dict[str, Path]:
    """Writes requests without reasons and with, of transactions that no server has got yet."""
    kind, _, size = case.partition("_")
    count, frame = (_STREAMED, int(size)) if kind == "stream" else (requests, 1)
    paths = {}
    for asked, mode in (("plain", b""), ("reasons", _REASONS)):
        paths[asked] = _WORK / f"options.{asked}.bin"
        paths[asked].write_bytes(grpc_frames(supply.take(count), frame, mode))
    return paths


def _journal_with_keys(folder: Path) -> dict[str, str]:
    """Makes keys and returns the settings of a journal that is encrypted and signed with them."""
    shutil.rmtree(folder, ignore_errors=True)
    encrypting, signing = folder / "encrypting", folder / "signing"
    for arguments in (
        ("newkey", str(encrypting / "a.key")),
        ("keygen", "bench/journal", str(signing / "a.key")),
    ):
        subprocess.run(
            [sys.executable, "-m", "server", "journal", *arguments], check=True, capture_output=True
        )
    return {
        "journal.path": str(folder / "journal"),
        "journal.encryption.keys": str(encrypting),
        "journal.signing.keys": str(signing),
    }


def _figures(loads: dict[tuple[str, str], list[Load]]) -> dict[str, float]:
    """Returns the cost of a transaction in microseconds, of a lone call its p50, each with its ratio."""

    def costs(option: str, case: str) -> list[float]:
        if case == "unary_1":
            return [load.percentile_ms(50) * 1e3 for load in loads[option, case]]
        count = _STREAMED if case.startswith("stream") else None
        return [load.seconds / (count or load.requests) * 1e6 for load in loads[option, case]]

    figures = {}
    for case in _CASES:
        for option in _OPTIONS:
            figures[f"{case}_{option}_us"] = median(costs(option, case))
            figures[f"{case}_{option}_ratio"] = median_ratio(costs(option, case), costs("plain", case))
    echo_us = costs("echo", _ECHOED)
    figures[f"{_ECHOED}_echo_us"] = median(echo_us)
    for option in ("plain", "all"):
        figures[f"{_ECHOED}_{option}_to_echo"] = median_ratio(echo_us, costs(option, _ECHOED))
    return figures


def _sheet(figures: dict[str, float]) -> Sheet:
    rows = [
        (
            _WORDS[option],
            *(
                f"{figures[f'{case}_{option}_us']:,.1f} µs"
                + (f", × {figures[f'{case}_{option}_ratio']:.2f}" if option != "plain" else "")
                for case in _CASES
            ),
        )
        for option in _OPTIONS
    ]
    rows.append(
        ("a bare echo without any", "", f"{figures[f'{_ECHOED}_echo_us']:,.1f} µs", "", ""),
    )
    headings = ("with", "lone call, p50", "call of 32 in flight", "in frames of 64", "in frames of 512")
    return Sheet(
        "Cost of a transaction with reasons, journal, TLS and a token, and against none of it", headings, rows
    )


def main(
    rounds: Annotated[int, typer.Option(help="Rounds, all options in turn.")] = 5,
    requests: Annotated[int, typer.Option(help="Single calls of a measurement.")] = 2_000,
) -> None:
    """Measures, shows and writes."""
    loads: dict[tuple[str, str], list[Load]] = {}
    try:
        require_h2load()
        workload = prepare(_WORK / "options", _STREAMED, 10_000)
        supply = Supply(workload)
        journal = {"journal.path": str(_WORK / "options" / "journal")}
        disk = {"journal.path": str(_WORK / "options" / "disk"), "journal.durability": "disk"}
        certificate, key = self_signed(_WORK / "options")
        tls = {"tls.certificate": str(certificate), "tls.key": str(key)}
        asks = access(_WORK / "options")
        everything = tls | asks.settings | _journal_with_keys(_WORK / "options" / "all")
        with (
            echo() as echoing,
            running(workload) as without,
            running(workload, settings=journal) as kept,
            running(workload, settings=disk) as synced,
            running(workload, settings=tls, ca=certificate) as secured,
            running(workload, settings=tls | asks.settings, ca=certificate, token=asks.token) as asking,
            running(workload, settings=everything, ca=certificate, token=asks.token) as whole,
        ):
            servers = {"journal": kept, "both": kept, "disk": synced}
            servers |= {"tls": secured, "token": asking, "all": whole}
            for number in range(rounds + 1):
                for case in _CASES:
                    bodies = _bodies(supply, case, requests)
                    for option in _OPTIONS:
                        body = bodies["reasons" if option in {"reasons", "both"} else "plain"]
                        ran = servers.get(option, without)
                        load = _measure(
                            ran.address,
                            case,
                            body,
                            requests,
                            tls=option in _SECURED,
                            authorization=asks.authorization if option in _AUTHORISED else "",
                        )
                        if number:
                            loads.setdefault((option, case), []).append(load)
                    if case == _ECHOED:
                        load = _measure(echoing, case, bodies["plain"], requests, tls=False, authorization="")
                        if number:
                            loads.setdefault(("echo", case), []).append(load)
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    figures = _figures(loads)
    write("options", figures, _sheet(figures))


if __name__ == "__main__":
    typer.run(main)
