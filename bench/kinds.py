"""`python -m bench.kinds`: what the shipped recipe finds of kinds of fraud that it knew, and that it did not.

Each kind is judged twice on the same generated transactions and tests: learnt from like all others, and left
out of training (`backtest --leave-out`). Further arguments go to `kuntur-trainer backtest`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_WORK = Path("bench/work/kinds")
_DATA = _WORK / "full.parquet"
_KINDS = ("sim_swap", "stolen_phone", "push_payment", "mule_network")
_SIZE = ("--transactions", "400000", "--accounts", "8000", "--days", "120", "--fraud-rate", "0.01")


def main() -> None:
    """Makes the transactions, judges the recipe on them five times and prints what came of it."""
    _WORK.mkdir(parents=True, exist_ok=True)
    _trainer("synth", str(_DATA), "--scenario", "full", "--start", "2024-04-01", *_SIZE)
    known = _judged("known")
    table = Table(title="Found at the alert budget, kinds of the generator", title_justify="left")
    for head in ("", "frauds", "known", "never known", "AP known", "AP never known"):
        table.add_column(head, justify="right" if head else "left")
    for kind in _KINDS:
        before, after = known[kind], _judged(kind, "--leave-out", kind)[kind]
        table.add_row(
            kind,
            f"{before['frauds']:,}",
            *(_share(one["recall"]) for one in (before, after)),
            *(f"{one['average_precision']:.3f}" for one in (before, after)),
        )
    Console().print(table)


def _judged(name: str, *options: str) -> dict[str, Any]:
    """Returns what was found of each kind, by its name."""
    figures = _WORK / f"{name}.json"
    command = ("backtest", str(_DATA), "--work", str(_WORK), "--json", str(figures))
    _trainer(*command, *options, *sys.argv[1:])
    kinds = json.loads(figures.read_text(encoding="utf-8"))["kinds"]["kinds"]
    return {kind["name"]: kind for kind in kinds}


def _trainer(*command: str) -> None:
    alone = {"KUNTUR_TRAINER_BACKTEST__BASELINES": "[]"}
    subprocess.run([sys.executable, "-m", "trainer", *command], check=True, env=alone | os.environ)


def _share(interval: dict[str, float | None]) -> str:
    value, low, high = (interval[name] for name in ("value", "low", "high"))
    return f"{value:.0%}" if low is None else f"{value:.0%} ({low:.0%}–{high:.0%})"


if __name__ == "__main__":
    main()
