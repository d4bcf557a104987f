"""Live traffic: a file's rows through a real stream, slowly while a retraining runs beside it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from clients import Client
from clients.cli.scoring import OutcomeTally, ScoringRun
from clients.replay import Step, hourly_steps
from clients.values.messages import messages_in_blocks, outcomes_in_blocks

_FRAME = 64
_IN_FLIGHT = 4
_HELD_BACK = 0.5  # share of the rows that waits for the new model, so that both models show in the stream
_PAUSE_S = 0.05  # between two hours of event time while the retraining runs


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came back: the rows with their scores, how fast, and what was told."""

    scored: pl.DataFrame
    seconds: float
    frame_latencies_s: list[float]
    outcomes_told: int
    outcomes_refused: int
    errors: int


def stream(
    address: str,
    rows: pl.DataFrame,
    outcomes: pl.DataFrame,
    beside: subprocess.Popen[bytes] | None,
    console: Console,
) -> Traffic:
    """Sends rows oldest first with the outcomes as they become known; gives what came back.

    beside: a program that is running meanwhile; hours are sent slowly until it ends and the server serves
    what it published.
    """
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Client(address) as client, Progress(*columns, console=console) as progress:
        task = progress.add_task("Streaming", total=len(rows))
        tally = OutcomeTally(client, outcomes_in_blocks(outcomes))
        run = ScoringRun(
            client,
            messages_in_blocks(rows),
            tally,
            frame_transactions=_FRAME,
            max_in_flight_frames=_IN_FLIGHT,
            on_answer=lambda count: progress.advance(task, count),
        )
        steps: Iterator[Step] = hourly_steps(rows, outcomes)
        if beside is not None:
            steps = _paced(steps, beside, client, len(rows), console)
        run.run(steps)
    return Traffic(
        scored=run.scored.frame(rows),
        seconds=run.elapsed_seconds,
        frame_latencies_s=run.latencies_seconds,
        outcomes_told=tally.accepted_count,
        outcomes_refused=tally.refused_by_reason.total(),
        errors=run.scored.error_count,
    )


def _paced(
    steps: Iterator[Step], beside: subprocess.Popen[bytes], client: Client, total: int, console: Console
) -> Iterator[Step]:
    """Yields the steps, with pauses until the program beside has ended and its model is live."""
    before = client.live_model().model_version
    waiting = True
    for step in steps:
        yield step
        if not waiting:
            continue
        if step.stop >= total * _HELD_BACK:
            beside.wait()
        if beside.poll() is None:
            time.sleep(_PAUSE_S)
            continue
        if beside.returncode != 0:
            waiting = False  # the caller sees the exit code; the traffic goes on with the old model
            continue
        now = client.live_model().model_version
        if now != before:
            waiting = False
            console.print(f"[bold]The server now serves {now}[/bold]; the stream went on.")
        else:
            time.sleep(_PAUSE_S)
