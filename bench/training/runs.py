"""The runs that are compared, each a process: this checkout's training, another's, a plain search."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.measuring.peaks import Taken, watched
from bench.training.problem import LABEL_DELAY_DAYS, search_settings

HERE = Path(__file__).parents[2]
_DAYS, _FRAUD_RATE = 180, 0.005
_WARM_ROWS, _WARM_DAYS, _WARM_FRAUD_RATE = 20_000, 90, 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took and found.

    search_s: seconds of the search, None where the program does not tell; phases: of the manifest, as there;
    trials: average precision by the number of the trial, of those that ran to their end; average_precision:
    of the published model on its test window, None of a search alone.
    """

    taken: Taken
    search_s: float | None
    phases: list[dict[str, Any]] = field(default_factory=list)
    trials: dict[int, float] = field(default_factory=dict)
    average_precision: float | None = None


def generated(rows: int, work: Path, days: int = _DAYS, fraud_rate: float = _FRAUD_RATE) -> Path:
    """Returns a file of so many generated transactions, always the same; makes it where it is not there."""
    path = work / f"transactions-{rows}-{days}-{fraud_rate:g}.parquet"
    if not path.exists():
        part = path.with_suffix(".part.parquet")
        size = ("--transactions", rows, "--accounts", rows // 50, "--days", days, "--fraud-rate", fraud_rate)
        command = [sys.executable, "-m", "trainer", "synth", str(part), *map(str, size)]
        watched(command, directory=HERE, environment=_environment(HERE), log=work / "synth.log")
        part.rename(path)
    return path


def configuration(path: Path, trials: int, search: str, scheduler: str) -> Path:
    """Writes the settings of the runs and returns their file; search: `xgboost` or `shipped`."""
    shipped: dict[str, object] = {"trials": trials}
    chosen = search_settings(trials, scheduler) if search == "xgboost" else shipped
    sections: dict[str, dict[str, object]] = {
        "split": {"label_delay_days": LABEL_DELAY_DAYS},
        "search": chosen,
    }
    lines = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def warm(checkout: Path, work: Path) -> None:
    """Has a checkout compile what it compiles once, so that no measured run does."""
    data = generated(_WARM_ROWS, work, _WARM_DAYS, _WARM_FRAUD_RATE)
    train(checkout, data, configuration(work / "warm.toml", 1, "xgboost", "none"), work)


def train(checkout: Path, data: Path, config: Path, work: Path) -> Run:
    """Runs `kuntur-trainer train` of a checkout, into a registry and a working directory of its own."""
    folder = _fresh(work / "train")
    command = [_python(checkout), "-m", "trainer", "train", str(data.resolve())]
    command += ["--config", str(config.resolve())]
    command += ["--registry", str(folder / "registry"), "--work", str(folder / "work")]
    environment = _environment(checkout)
    taken = watched(command, directory=checkout, environment=environment, log=work / "train.log")
    bundle = folder / "registry" / (folder / "registry" / "LIVE").read_text().strip()
    manifest = _read(bundle / "manifest.json")
    phases = manifest.get("phases", [])
    return Run(
        taken,
        next((phase["seconds"] for phase in phases if phase["name"] == "search"), None),
        phases,
        _trials(_read(bundle / "documents" / "search.json")),
        manifest["metrics"]["average_precision"],
    )


def problem(data: Path, directory: Path, trials: int, scheduler: str) -> None:
    """Writes what the plain search works on."""
    command = [sys.executable, "-m", "bench.training.problem", str(data), str(directory)]
    command += ["--trials", str(trials), "--scheduler", scheduler]
    log = directory.with_suffix(".log")
    watched(command, directory=HERE, environment=_environment(HERE), log=log)


def plain(directory: Path, work: Path) -> Run:
    """Runs the plain search on what `problem` wrote."""
    folder = _fresh(work / "plain")
    output = folder / "found.json"
    command = [sys.executable, "-m", "bench.training.plain", str(directory.resolve()), str(output)]
    command += ["--work", str(folder)]
    environment = _environment(HERE)
    taken = watched(command, directory=HERE, environment=environment, log=work / "plain.log")
    found = _read(output)
    settings = _read(directory / "settings.json")["trials"]
    both = enumerate(zip(found["trials"], settings, strict=True), start=1)
    ended = {
        number: trial["average_precision"]
        for number, (trial, setting) in both
        if trial["rounds"] == setting["rounds"]
    }
    return Run(taken, found["search_s"], trials=ended)


def _trials(document: list[dict[str, Any]]) -> dict[int, float]:
    return {
        trial["number"]: trial["curve"]["average_precision"][-1]
        for trial in document
        if trial.get("finished")
    }


def _python(checkout: Path) -> str:
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _environment(checkout: Path) -> Mapping[str, str]:
    return {"PYTHONPATH": str(checkout)}  # Ray's workers import from there, too


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder.resolve()


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
