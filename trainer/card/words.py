"""Figures and names in words that a reader of the model card understands."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape

from trainer.wording import number, per_cent

# Name of a figure: how it is called, what it means, and whether it is a share of one.
METRICS: dict[str, tuple[str, str, bool]] = {
    "rows": ("transactions", "in the test window", False),
    "frauds": ("frauds", "among them, by the reports that had come", False),
    "average_precision": ("average precision", "area under precision over recall, not interpolated", False),
    "auc_roc": ("AUC ROC", "chance that a fraud scores above a legitimate transaction", False),
    "brier": ("Brier score", "mean squared error of the probability; 0 is perfect", False),
    "log_loss": ("log loss", "mean negative log likelihood; 0 is perfect", False),
    "expected_calibration_error": (
        "expected calibration error",
        "mean gap between probability and observed share, over bins",
        False,
    ),
    "alerts_per_day": ("alerts a day", "at or above the review threshold", False),
    "declines_per_day": ("declines a day", "at or above the decline threshold", False),
    "precision": ("precision", "frauds among the alerts", True),
    "recall": ("recall", "frauds that raise an alert", True),
    "recall_by_value": ("recall by value", "share of the stolen money that raises an alert", True),
    "decline_precision": ("precision of declines", "frauds among the declined", True),
    "decline_recall": ("recall of declines", "frauds that are declined", True),
    "decline_f1": ("F1 of declines", "harmonic mean of their precision and recall", False),
    "decline_accuracy": ("accuracy of declines", "share of right advice if only they raised an alert", True),
    "cost_per_day": ("cost a day", "of the decisions, by the cost matrix", False),
    "cost_per_day_of_doing_nothing": ("cost a day of doing nothing", "if everything were approved", False),
    "microseconds_a_row_single": ("µs a transaction, alone", "the model without features and network", False),
    "microseconds_a_row_in_frames": ("µs a transaction, in frames", "the same, 64 at a time", False),
    "share": ("share", "of all transactions of the window", True),
    "alert_share": ("alert share", "of the segment's transactions", True),
    "f1": ("F1", "harmonic mean of precision and recall", False),
    "accuracy": ("accuracy", "share of right advice; high for any rare event", True),
}
HEADLINES = (
    "average_precision",
    "auc_roc",
    "recall_by_value",
    "precision",
    "alerts_per_day",
    "expected_calibration_error",
)
ALGORITHMS = {
    "xgboost": "XGBoost",
    "random_forest": "Random forest",
    "logistic_regression": "Logistic regression",
}
IMPORTANCES = {
    "xgboost": "share of the gain of all splits",
    "random_forest": "mean decrease in impurity",
    "logistic_regression": "share of the size of all weights, on standardised columns",
}
CLASSES = {
    "none": "not about a person",
    "identifier": "names a person, account, device or shop; hashed with a key before anything is computed",
    "financial": "money and products of a person",
    "behavioural": "habits of a person",
    "location": "places of a person",
    "unknown": "attribute of the institution, to be classed by it",
}
SMALL_SHARE = "small_share"  # in place of a figure's name: a share of one that is often far below 1 %
_PER_CENT = 100
_LEAST_PER_CENT = 0.0001
_LEAST_SCORE = 0.001
SCORES = frozenset({"average_precision", "auc_roc", "f1", "decline_f1"})
# How figures are written that are neither shares nor scores, and differences of those.
_FORMS: dict[str, Callable[[float], str]] = {
    "alerts_per_day": "{:,.1f}".format,
    "declines_per_day": "{:,.1f}".format,
    "expected_calibration_error": "{:.4f}".format,
    "ratio": "{:.2f}".format,
    "gain": "{:+.3f}".format,
    "points": lambda value: f"{value * _PER_CENT:+.1f}",
}
_CODE = re.compile(r"`([^`]+)`")
_SAME_UNIT = "\u00a0%"


def label(name: str) -> str:
    """Names a figure of the evaluation for people."""
    return METRICS[name][0] if name in METRICS else spaced(name)


def spaced(name: str) -> str:
    """Names a setting for people."""
    return name.replace("_", " ")


def meaning(name: str) -> str:
    """Says what a figure means; empty when that is not known."""
    return METRICS[name][1] if name in METRICS else ""


def figure(value: Any, name: str = "") -> str:
    """Writes a figure: thousands apart, four digits that count, shares in per cent, a dash for none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(figure(member) for member in value) or "–"
    if isinstance(value, int | float):
        if name == SMALL_SHARE:
            return small_share(value)
        if name in SCORES:
            return score(value)
        if name in _FORMS:
            return _FORMS[name](value)
        if name in METRICS and METRICS[name][2]:
            return share(value)
        return number(float(value))
    return str(value)


def breakable(name: str) -> Markup:
    """Writes a name so that a narrow column breaks it at its underscores."""
    return escape(name).replace("_", Markup("_<wbr>"))


def share(value: float | None) -> str:
    """Writes a share of one in per cent, and says when it is small rather than none."""
    if value is None:
        return "–"
    return f"{value * _PER_CENT:.0f}\u00a0%" if value in (0, 1) else per_cent(value)


def score(value: float) -> str:
    """Writes a figure from 0 to 1 with three decimals; what is not quite 0 or 1 is not written as that."""
    if value in (0, 1) or not math.isfinite(value):
        return number(value)
    if 0 < value < _LEAST_SCORE:
        return f"< {_LEAST_SCORE}"
    return f"> {1 - _LEAST_SCORE:g}" if 1 - _LEAST_SCORE / 2 <= value < 1 else f"{value:.3f}"


def small_share(value: float | None) -> str:
    """Writes a share of one in per cent with three digits that count, however small it is."""
    if value is None or not math.isfinite(value):
        return "–"
    per_cents = value * _PER_CENT
    if value in (0, 1):
        return f"{per_cents:.0f}{_SAME_UNIT}"
    if abs(per_cents) < _LEAST_PER_CENT:
        return f"< {_LEAST_PER_CENT:f}".rstrip("0") + _SAME_UNIT
    rest = min(abs(per_cents), abs(_PER_CENT - per_cents))  # of what is nearly all, what is missing counts
    if 0 <= rest < _LEAST_PER_CENT:
        return f"> {_PER_CENT - _LEAST_PER_CENT:g}{_SAME_UNIT}"
    digits = min(max(2 - math.floor(math.log10(rest) + 1e-9), 1), 5)
    if rest < abs(per_cents):
        digits = min(max(1 - math.floor(math.log10(rest) + 1e-9), 1), 4)
    return f"{per_cents:.{digits}f}{_SAME_UNIT}"


def deviation(value: float | None, name: str = "") -> str:
    """Writes a standard deviation of a figure, a share in percentage points."""
    if value is None or not math.isfinite(value):
        return "–"
    if name in METRICS and METRICS[name][2]:
        return f"{value * _PER_CENT:.1f}\u00a0points"
    return f"{value:.3f}" if name in SCORES else figure(value, name)


def ends(low: float | None, high: float | None, name: str = "") -> str:
    """Writes the ends of an interval, the unit once."""
    first, last = figure(low, name), figure(high, name)
    if first.endswith(_SAME_UNIT) and last.endswith(_SAME_UNIT):
        first = first.removesuffix(_SAME_UNIT)
    return f"{first} to {last}"


def money(value: float | None, currency: str) -> str:
    """Writes an amount in units of a currency: thousands apart, cents only where they count."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.2f}"
    return f"{text}\u00a0{currency}" if currency else text


def spoken(name: Any) -> str:
    """Writes the name of an enum's value for people; any other name stays as it is."""
    text = str(name)
    return spaced(text).lower() if text.isupper() and ("_" in text or len(text) > 4) else text


def marked(text: str) -> Markup:
    """Writes a text with what stands in backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped before


def versioned(version: str) -> Markup:
    """Writes the name of a version so that a narrow column breaks it at its hyphens."""
    return escape(version).replace("-", Markup("-<wbr>"))


def date(moment: Any) -> str:
    """Writes the day of a moment of ISO 8601."""
    return str(moment)[:10]


def day(moment: Any) -> str:
    """Writes a moment of ISO 8601 as day and time of day, in UTC."""
    return str(moment)[:16].replace("T", " ")
