"""What the gate found and what it came to, for people and for the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One question of the gate: whether it was passed, in words and in figures."""

    name: str
    passed: bool
    text: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model goes live.

    forced: whether it does against what was found; champion: version of the model that it was compared
    with, empty without one; text: the verdict in words; warnings: what it does not hang on, a sentence each.
    """

    promoted: bool
    forced: bool
    champion: str
    findings: tuple[Finding, ...]
    text: str
    warnings: tuple[str, ...] = ()

    def with_warnings(self, warnings: tuple[str, ...]) -> Verdict:
        """Returns it with warnings, which its text tells at the end."""
        text = "\n".join([self.text, *(f"warning: {warning}" for warning in warnings)])
        return replace(self, text=text, warnings=warnings)

    def document(self) -> dict[str, Any]:
        """Returns it ready for JSON."""
        return asdict(self)


def failed_tests(findings: tuple[Finding, ...]) -> str:
    """Returns the names of the findings that were not passed, for a sentence; empty without one."""
    return ", ".join(finding.name for finding in findings if not finding.passed)


def pronounced(challenger: str, champion: str, findings: tuple[Finding, ...], *, force: bool) -> Verdict:
    """Returns the verdict of a comparison: every finding must be passed, or force overrides the others."""
    failed = failed_tests(findings)
    if not failed:
        opening = f"{challenger} takes the place of {champion}: it passed every test."
    elif force:
        opening = f"{challenger} takes the place of {champion} by force, against these findings: {failed}."
    else:
        opening = f"{challenger} stays a challenger and {champion} stays live, because of: {failed}."
    promoted = force or not failed
    return Verdict(promoted, force and bool(failed), champion, findings, _told(opening, findings))


def unopposed(
    challenger: str, why: str, live: str, findings: tuple[Finding, ...], *, force: bool = False
) -> Verdict:
    """Returns the verdict where there is nothing to compare with.

    live: version that is live although it cannot be compared; it stays where the new one fails tests of its
    own. Empty where none is: then the new one goes live whatever these say, since without it nothing would.
    """
    failed = failed_tests(findings)
    if failed and live and not force:
        opening = (
            f"{challenger} stays a challenger and {live} stays live, because of: {failed}. "
            f"They could not be compared: {why}."
        )
        return Verdict(False, False, "", findings, _told(opening, findings))
    opening = f"{challenger} goes live without a comparison: {why}."
    forced = bool(failed and live)
    if forced:
        opening += f" It does so by force, against these findings: {failed}."
    elif failed:
        opening += f" It did not pass these tests of its own, which nothing live could do better: {failed}."
    return Verdict(True, forced, "", findings, _told(opening, findings))


def standing(live: str, findings: tuple[Finding, ...]) -> Verdict:
    """Returns the verdict on the very model that is live: it stays, whatever its own tests say by now."""
    failed = failed_tests(findings)
    opening = f"{live} stays live: it is the model that is live, trained again."
    if failed:
        opening += f" By now it fails these tests of its own: {failed}."
    return Verdict(True, False, "", findings, _told(opening, findings))


def _told(opening: str, findings: tuple[Finding, ...]) -> str:
    order = sorted(findings, key=lambda finding: finding.passed)
    return "\n".join([opening, *(f"{'passed' if f.passed else 'FAILED'}: {f.text}" for f in order)])
