"""`python -m bench.peers`: public model servers and Kuntur, the same model, in turn on the same core.

Only one runs at a time. Each peer's environment is downloaded on first use, some hundreds of megabytes, so
`make bench-all` leaves this out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.load.h2load import LoadError, require_h2load
from bench.load.workload import prepare
from bench.measuring.programs import server
from bench.measuring.report import write
from bench.peers.catalogue import PEERS, Peer, PeerError
from bench.peers.environment import WORK, interpreter
from bench.peers.measuring import TRANSACTIONS, KunturLoad, Measured, PeerLoad
from bench.peers.questions import Questions
from bench.peers.running import running
from bench.peers.table import KUNTUR, figures, sheet

_console = Console()


def _chosen(only: list[str]) -> list[Peer]:
    unknown = set(only) - {peer.name for peer in PEERS}
    if unknown:
        sys.exit(f"no peer is called {', '.join(sorted(unknown))}")
    return [peer for peer in PEERS if not only or peer.name in only]


def _measure(peer: Peer, model: Path, questions: Questions, load: PeerLoad, seconds: float) -> Measured:
    """Runs a peer and measures it between two checks of its answers. Raises PeerError and LoadError."""
    with running(peer, model, questions) as address:
        questions.check(address)
        measured = load.measure(address, seconds)
        questions.check(address)
    return measured


def _left_out(peer: Peer, error: Exception) -> None:
    _console.print(f"{peer.title} is left out: {error}", markup=False, soft_wrap=True)


def _installed(peers: list[Peer]) -> list[Peer]:
    there = []
    for peer in peers:
        try:
            with _console.status(f"The environment of {peer.title}"):
                interpreter(peer)
        except PeerError as error:
            _left_out(peer, error)
        else:
            there.append(peer)
    return there


def main(
    only: Annotated[list[str] | None, typer.Option(help="Peers to measure; all unless given.")] = None,
    rounds: Annotated[int, typer.Option(help="Rounds, all servers in turn; figures are medians.")] = 3,
    seconds: Annotated[float, typer.Option(help="Length of each measurement.")] = 2.0,
    accounts: Annotated[int, typer.Option(help="Accounts among the transactions.")] = 10_000,
) -> None:
    """Measures, shows and writes."""
    peers, measured = _chosen(only or []), dict[str, list[Measured]]()
    WORK.mkdir(parents=True, exist_ok=True)
    peers = _installed(peers)
    try:
        require_h2load()
        with _console.status("Preparing the load"):
            workload = prepare(WORK / "served", TRANSACTIONS, accounts)
            model = WORK / "model.onnx"
            model.write_bytes(workload.onnx)
            questions = Questions.of(workload.onnx, workload.features[workload.load])
            kuntur_load, peer_load = KunturLoad(workload), PeerLoad(questions)
        for number in range(rounds):
            with _console.status(f"Round {number + 1}: Kuntur"), server(workload) as address:
                measured.setdefault(KUNTUR, []).append(kuntur_load.measure(address, seconds))
            for peer in list(peers):
                try:
                    with _console.status(f"Round {number + 1}: {peer.title}"):
                        one = _measure(peer, model, questions, peer_load, seconds)
                except (PeerError, LoadError) as error:
                    _left_out(peer, error)
                    peers.remove(peer)
                    measured.pop(peer.name, None)
                else:
                    measured.setdefault(peer.name, []).append(one)
    except LoadError as error:
        sys.exit(f"bench stopped: {error}")
    found = figures(measured)
    titles = {KUNTUR: "Kuntur"} | {peer.name: f"{peer.title} {peer.version}" for peer in peers}
    write("peers", found, sheet(found, titles))


if __name__ == "__main__":
    typer.run(main)
