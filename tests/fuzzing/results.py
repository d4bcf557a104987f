"""What the fuzzers came to: as JSON, and as the table of docs/security.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.document import with_tables
from bench.measuring.report import Sheet, machine

RESULTS = Path("tests/fuzzing/results.json")
PAGE = Path("docs/security.md")
_HEADINGS = (
    "reader", "minutes", "inputs", "branches", "kept", "peak memory", "grown by", "slowest", "found",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What the fuzzer of one reader came to.

    edges: branches of Python that were taken; inputs: kept, since each took a branch that no other did;
    peak_mb: of the process under the fuzzer; slowest_s, grown_mb: of `tests.fuzzing.reading_again`.
    """

    reader: str
    minutes: float
    executions: int
    edges: int
    inputs: int
    peak_mb: int
    slowest_s: float = 0.0
    grown_mb: float = 0.0
    findings: list[str] = field(default_factory=list)

    def row(self) -> tuple[str, ...]:
        """Returns it as a row of the table."""
        return (
            self.reader,
            f"{self.minutes:g}",
            f"{self.executions:,}",
            f"{self.edges:,}",
            f"{self.inputs:,}",
            f"{self.peak_mb:,} MB",
            f"{self.grown_mb:.1f} MB",
            f"{1000 * self.slowest_s:.0f} ms",
            str(len(self.findings)) if self.findings else "nothing",
        )


def read(path: Path = RESULTS) -> list[Result]:
    """Returns what is kept."""
    if not path.exists():
        return []
    return [Result(**each) for each in json.loads(path.read_text(encoding="utf-8"))["readers"]]


def sheet(results: Sequence[Result]) -> Sheet:
    """Returns the table."""
    return Sheet("Fuzzers of readers", _HEADINGS, [each.row() for each in results])


def page_with(results: Sequence[Result], text: str) -> str:
    """Returns a page with the table between its marks."""
    return with_tables(text, {"fuzzing": sheet(results)})


def keep(results: Sequence[Result]) -> None:
    """Writes results to the file, beside those of other readers, and the table to the page."""
    new = {each.reader: each for each in results}
    known = [new.pop(each.reader, each) for each in read()]
    kept = [*known, *new.values()]
    document = {
        "machine": machine(),
        "protobuf": version("protobuf"),
        "readers": [asdict(each) for each in kept],
    }
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page_with(kept, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
