"""`python -m bench.training`: time and memory of `kuntur-trainer train`, and its search beside a plain one.

Each program is a process of its own, and they take turns: the training of this checkout, a plain search with
Ray Tune and XGBoost of the same settings on the same rows, and with --beside the training of another one. All
use every core that there is. What both searches find must be the same, or the measurement ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from bench.measuring.report import RESULTS, write
from bench.training import runs
from bench.training.tables import OTHER, OURS, PLAIN, differing, figures, phase_seconds, phases, programs

_WORK = Path("bench/work/training")
_console = Console()


def _round(
    rows: int, config: Path, directory: Path | None, beside: Path | None, *, backwards: bool
) -> dict[str, runs.Run]:
    """Runs each program once; directory: what the plain search works on, None without one."""
    data = runs.generated(rows, _WORK)
    ways = {OURS: lambda: runs.train(runs.HERE, data, config, _WORK)}
    if directory is not None:
        ways[PLAIN] = lambda: runs.plain(directory, _WORK)
    if beside is not None:
        ways[OTHER] = lambda: runs.train(beside, data, config, _WORK)
    found = {}
    for program in reversed(ways) if backwards else ways:
        found[program] = ways[program]()
        taken = found[program].taken
        _console.print(f"{rows:,} rows, {program}: {taken.seconds:.0f} s, {taken.main_bytes / 1e9:.2f} GB")
    if PLAIN in found and (faults := differing(found[OURS], found[PLAIN])):
        sys.exit(f"bench stopped: the two searches did not find the same: {'; '.join(faults)}")
    return found


def main(
    rows: Annotated[str, typer.Option(help="Transactions of each measurement.")] = "300000,1000000",
    trials: Annotated[int, typer.Option(help="Trials of a search.")] = 4,
    rounds: Annotated[int, typer.Option(help="Turns of all programs; figures are medians.")] = 1,
    search: Annotated[
        Literal["xgboost", "shipped"],
        typer.Option(
            help="Settings of XGBoost known beforehand; or as train searches, without a plain search."
        ),
    ] = "xgboost",
    scheduler: Annotated[
        Literal["none", "asha"],
        typer.Option(help="What ends trials early: with none both searches do exactly the same work."),
    ] = "none",
    beside: Annotated[
        Path | None, typer.Option(help="Another checkout of the project, trained in turn with this one.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Directory for the figures.")] = RESULTS,
) -> None:
    """Measures, prints and writes training.json and training_phases.json."""
    sizes = [int(size) for size in rows.split(",")]
    _WORK.mkdir(parents=True, exist_ok=True)
    other = None if beside is None else beside.resolve()
    if other is not None and not (other / "trainer").is_dir():
        sys.exit(f"{other} is no checkout of the project")
    for checkout in (runs.HERE, *(() if other is None else (other,))):
        runs.warm(checkout, _WORK)
    config = runs.configuration(_WORK / "trainer.toml", trials, search, scheduler)
    all_figures: dict[str, float] = {"trials": trials, "rounds": rounds}
    shown: dict[int, runs.Run] = {}
    for size in sizes:
        directory = None
        if search == "xgboost":
            directory = _WORK / f"problem-{size}"
            runs.problem(runs.generated(size, _WORK), directory, trials, scheduler)
        turns = [_round(size, config, directory, other, backwards=turn % 2 == 1) for turn in range(rounds)]
        all_figures |= figures(size, turns) | {"load_average_1m": os.getloadavg()[0]}
        shown[size] = turns[-1][OURS]
        # After each size, so that what was measured stays where a later one fails.
        write("training", all_figures, programs(all_figures, list(shown), trials), output)
        write("training_phases", phase_seconds(shown), phases(shown), output)


if __name__ == "__main__":
    typer.run(main)
