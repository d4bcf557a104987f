"""Figures of `make endurance`: `python -m tests.support.results` puts them into docs/reliability.md.

A test records its figures, with machine and day, in a file of its own in tests/endurance/results; those of
the last run stay until the next. Words around the table are written by hand.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measuring.report import machine

_ROOT = Path(__file__).parents[2]
_RESULTS = _ROOT / "tests" / "endurance" / "results"
_PAGE = _ROOT / "docs" / "reliability.md"
_MARKED = re.compile(r"(<!-- figures -->\n).*?(<!-- end -->)", re.DOTALL)
_KILLED = (
    "{kills:,} kills: {answered:,} transactions answered, {again:,} answers given again, none missing, none "
    "otherwise; {histories:,} histories as a clean replay makes them"
)
_FORMS = {
    "kills-process-1": ("SIGKILL, one process, `process`", _KILLED),
    "kills-process-2": ("SIGKILL, two workers, `process`", _KILLED),
    "kills-disk-1": ("SIGKILL, one process, `disk`", _KILLED),
    "kills-disk-2": ("SIGKILL, two workers, `disk`", _KILLED),
    "power-loss": (
        "loss of power, `disk`",
        "{losses:,} losses at any of {events:,} events: nothing missing that was said to be on the disk; "
        "{torn_tails:,} torn tails set aside",
    ),
    "bit-flips": (
        "single flipped bits",
        "{flips:,}: {found:,} found, {harmless:,} harmless, {unnoticed:,} unnoticed",
    ),
    "rebuild": (
        "rebuild",
        "{transactions:,} transactions in {seconds:.0f} s of one core, {a_second:,.0f} a second; {later:,} "
        "later ones equal bit for bit",
    ),
}


def record(name: str, **figures: float) -> None:
    """Writes the figures of a test, in place of those of its last run."""
    _RESULTS.mkdir(exist_ok=True)
    document = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "figures": figures}
    (_RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def recorded() -> dict[str, Any]:
    """Returns what was recorded, by the names of tests."""
    paths = {name: _RESULTS / f"{name}.json" for name in _FORMS}
    return {
        name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()
    }


def with_figures(page: str, documents: dict[str, Any]) -> str:
    """Returns a page with the table of what was recorded between its marks."""
    lines = ["| what | figures | day | machine |", "| --- | --- | --- | --- |"]
    for name, (what, form) in _FORMS.items():
        if name in documents:
            found = documents[name]
            of = f"{found['machine']['processor']}, {found['machine']['cores']} cores"
            lines.append(f"| {what} | {form.format_map(found['figures'])} | {found['date']} | {of} |")
    table = "".join(f"{line}\n" for line in lines)
    return _MARKED.sub(lambda marks: f"{marks[1]}{table}{marks[2]}", page)


def page() -> str:
    """Returns the page as it is."""
    return _PAGE.read_text(encoding="utf-8")


def main() -> None:
    """Rewrites the page."""
    documents = recorded()
    _PAGE.write_text(with_figures(page(), documents), encoding="utf-8")
    missing = sorted(_FORMS.keys() - documents.keys())
    sys.stdout.write(f"Written to {_PAGE}" + (f"; not run: {', '.join(missing)}" if missing else "") + "\n")


if __name__ == "__main__":
    main()
