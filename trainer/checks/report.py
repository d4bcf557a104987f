"""What checks found: as values, as a JSON-able document, and as the message that stops a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one rule found; no personal value is in it.

    checked, failed: how many of what the rule is about; about: rows, days, gaps, columns or the table;
    examples: numbers of rows in the source from 0, days, names of columns, or the table's own figure.
    """

    rule: str
    description: str
    severity: Severity
    about: str
    checked: int
    failed: int
    examples: tuple[int | float | str, ...] = ()

    @property
    def share(self) -> float:
        """Failed of checked, 0 to 1."""
        return self.failed / self.checked if self.checked else 0.0

    def told(self) -> str:
        """Returns the result as one line of a message."""
        examples = ", ".join(str(example) for example in self.examples)
        if self.about == "table":
            return f"{self.rule}: {self.description}; it is {examples}"
        such = {"rows": "rows of the source", "gaps": "behind"}.get(self.about, self.about)
        count = f"{self.failed:,} of {self.checked:,} {self.about} ({self.share:.2%})"
        return f"{self.rule}: {self.description}: not so in {count}, such as {such} {examples}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What all rules found in a table of so many rows; limits: the settings that they were held to."""

    rows: int
    results: tuple[CheckResult, ...]
    limits: dict[str, Any]

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """Results that stop a run."""
        return tuple(result for result in self.results if result.failed and result.severity == "error")

    @property
    def warnings(self) -> tuple[CheckResult, ...]:
        """Results that are told and do not stop a run."""
        return tuple(result for result in self.results if result.failed and result.severity == "warning")

    def document(self) -> dict[str, Any]:
        """Returns the report as JSON-able values, every rule in it, those that hold too."""
        rules = [
            {
                "rule": result.rule,
                "description": result.description,
                "severity": result.severity,
                "about": result.about,
                "checked": result.checked,
                "failed": result.failed,
                "share": round(result.share, 6),
                "examples": list(result.examples),
            }
            for result in self.results
        ]
        return {
            "rows": self.rows,
            "passed": not self.failures,
            "failures": len(self.failures),
            "warnings": len(self.warnings),
            "limits": self.limits,
            "rules": rules,
        }

    def as_json(self) -> bytes:
        """Returns the document as the bundle holds it."""
        return (json.dumps(self.document(), indent=1) + "\n").encode()


class DataCheckError(ValueError):
    """The data fail checks that a run cannot do without; `report` holds all of them."""

    def __init__(self, report: CheckReport) -> None:
        self.report = report
        lines = [f"  {result.told()}" for result in report.failures]
        failed = f"{len(lines)} of {len(report.results)} checks of the data failed:"
        mend = (
            "Correct the data or their mapping; the limits of expectations stand in the settings, [checks]."
        )
        super().__init__("\n".join([failed, *lines, mend]))
