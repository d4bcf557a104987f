"""`python -m bench.layouts`: the shipped recipe beside plain XGBoost, on three layouts, by mappings alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.layouts import shops

_HERE = Path(__file__).parent
_WORK = Path("bench/work/layouts")
_SHOWN = {
    "recipe": "shipped recipe",
    "logistic_regression": "logistic regression, same features",
    "plain_xgboost": "plain XGBoost, raw columns",
    "amount": "amount alone",
}


def _generator(path: Path) -> str:
    command = ("synth", path, "--transactions", 360_000, "--days", 150, "--accounts", 9_000)
    subprocess.run([sys.executable, "-m", "trainer", *map(str, command)], check=True)
    return "kuntur"


def _synccfd(path: Path) -> str:
    from synccfd import DatasetGenerator

    os.environ["TQDM_DISABLE"] = "1"
    made = DatasetGenerator(
        n_customers=2_000, n_terminals=4_000, nb_days=90, start_date="2024-01-01", random_state=7
    ).generate()[2]
    made.to_parquet(path)
    return str(_HERE / "synccfd.toml")


def _shops(path: Path) -> str:
    shops.make(path, holders=3_000, days=90, seed=7)
    return str(_HERE / "shops.toml")


_LAYOUTS = {
    "generator.parquet": _generator,
    "synccfd.parquet": _synccfd,
    "shops.csv": _shops,
}


def main() -> None:
    """Makes the data, judges the recipe on each and prints what came of it."""
    _WORK.mkdir(parents=True, exist_ok=True)
    table = Table(title="Average precision, mean of the folds", title_justify="left")
    table.add_column("")
    found = {}
    for name, make in _LAYOUTS.items():
        path = _WORK / name
        mapping = make(path)
        figures = path.with_suffix(".json")
        command = ("backtest", path, "--mapping", mapping, "--work", _WORK, "--json", figures)
        subprocess.run([sys.executable, "-m", "trainer", *map(str, command)], check=True)
        found[name] = json.loads(figures.read_text(encoding="utf-8"))["figures"]
        table.add_column(name, justify="right")
    for key, text in _SHOWN.items():
        values = (found[name][key]["average_precision"]["mean"]["value"] for name in _LAYOUTS)
        table.add_row(text, *(f"{value:.3f}" for value in values))
    Console().print(table)


if __name__ == "__main__":
    main()
