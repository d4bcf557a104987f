"""What every measurement ends with: the machine, the figures as JSON, a table for terminal and page."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import onnxruntime
from rich.console import Console
from rich.table import Table

RESULTS = Path("bench/results")
_console = Console()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: what each row is, and what was measured."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        """Returns the table in Markdown, without its title."""
        lines = [self.headings, ("---",) * len(self.headings), *self.rows]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def machine() -> dict[str, str]:
    """Tells what the figures come from."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
    }


def median_ratio(measured: Sequence[float], baseline: Sequence[float]) -> float:
    """Returns the median of the rounds' own ratios, so that a slow spell, which hits both, drops out.

    Raises ValueError when the two have not as many rounds.
    """
    return median(ours / theirs for ours, theirs in zip(measured, baseline, strict=True))


def write(name: str, figures: dict[str, float], sheet: Sheet, directory: Path = RESULTS) -> None:
    """Shows the table and writes everything to NAME.json of a directory."""
    shown = Table(title=sheet.title)
    for place, heading in enumerate(sheet.headings):
        shown.add_column(heading, justify="left" if place == 0 else "right")
    for row in sheet.rows:
        shown.add_row(*row)
    _console.print(shown)
    directory.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": machine(),
        "figures": {key: round(value, 4) for key, value in figures.items()},
        "table": asdict(sheet),
    }
    path = directory / f"{name}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _console.print(f"Written to {path}")


def read(name: str, directory: Path = RESULTS) -> tuple[dict[str, float], Sheet] | None:
    """Returns the figures and the table of NAME.json; None when it is not there."""
    path = directory / f"{name}.json"
    if not path.exists():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    table = document["table"]
    rows = [tuple(row) for row in table["rows"]]
    return document["figures"], Sheet(table["title"], tuple(table["headings"]), rows)
