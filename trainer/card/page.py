"""The validator's file as a page for people: one HTML file with its style and plots inside, and no script.

It shows `validation.json` and nothing else, so a reader of one has what a reader of the other has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from trainer.card import words
from trainer.card.plots import BARS, at_threshold, plots
from trainer.card.points import points
from trainer.card.validation_plots import ranks_by_version
from trainer.evaluation.drift import LARGE, SCORE, WATCH

SECTIONS = (
    ("short", "In short"),
    ("purpose", "Purpose and approval"),
    ("verdict", "Verdict and changes"),
    ("data", "Data"),
    ("fits", "Judged and served"),
    ("features", "Features"),
    ("personal-data", "Personal data"),
    ("search", "Search"),
    ("performance", "Performance"),
    ("known-accounts", "Accounts already known"),
    ("folds", "Earlier windows"),
    ("benchmark", "Benchmark"),
    ("calibration", "Calibration"),
    ("segments", "Segments"),
    ("missed", "What is missed"),
    ("fairness", "Fairness"),
    ("sensitivity", "Sensitivity"),
    ("drift", "Drift"),
    ("checks", "Checks before publishing"),
    ("reasons", "Reasons"),
    ("monitoring", "Monitoring and retirement"),
    ("origin", "How to make it again"),
)
_TABLE_POINTS = 14
_FOLD_FIGURES = (
    "average_precision", "precision", "recall", "recall_by_value", "alerts_per_day",
    "expected_calibration_error",
)  # fmt: skip
_BENCHMARK_FIGURES = ("average_precision", "auc_roc", "precision", "recall", "recall_by_value")


def model_card(document: Mapping[str, Any]) -> bytes:
    """Returns the page of a document that `validation_document` made."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("trainer.card"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "label": words.label,
        "spaced": words.spaced,
        "meaning": words.meaning,
        "figure": words.figure,
        "breakable": words.breakable,
        "share": words.share,
        "day": words.day,
        "date": words.date,
        "deviation": words.deviation,
        "ends": words.ends,
        "marked": words.marked,
        "money": words.money,
        "small_share": words.small_share,
        "spoken": words.spoken,
        "versioned": words.versioned,
    }
    drawn = {name: None if svg is None else Markup(svg) for name, svg in plots(document).items()}  # noqa: S704  made here, names in it are escaped by Matplotlib
    evaluation = document["evaluation"]
    trials = document["search"]["trials"] if document["search"] else []
    operating = evaluation["curves"]["operating"] if evaluation["curves"] else []
    page = environment.get_template("card.jinja").render(
        document,
        plots=drawn,
        sections=SECTIONS,
        headlines=[name for name in words.HEADLINES if evaluation["metrics"].get(name) is not None],
        classes=words.CLASSES,
        algorithm=words.ALGORITHMS.get(document["model"]["algorithm"], document["model"]["algorithm"]),
        shown=BARS,
        psi=(WATCH, LARGE),
        score_drift=next((entry for entry in document["drift"] or () if entry["name"] == SCORE), None),
        drift_counts=_drift_counts(document["drift"]),
        outlier_rules=_outlier_rules(document["data"]["quality"]),
        timeline=timeline(document["data"]["window"]),
        operating_rows=_few(operating),
        operating_at={
            name: at_threshold(operating, evaluation["thresholds"][name]) for name in ("review", "decline")
        },
        points=points(document),
        fold_figures=_FOLD_FIGURES,
        benchmark_figures=_BENCHMARK_FIGURES,
        currency=evaluation["curves"]["currency"] if evaluation["curves"] else "",
        calibration_off=_off(document["validation"]),
        ranks_by_version=_ranks(document["validation"]),
        trial_figures=_names([trial["figures"] for trial in trials], ()),
        trial_common=_common([trial["parameters"] for trial in trials]),
        importance=words.IMPORTANCES.get(
            document["model"]["algorithm"], "as the estimator weighs its inputs"
        ),
        algorithms=words.ALGORITHMS,
        is_table=_is_table,
    )
    return page.encode()


def timeline(window: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns training, label delay and validation as parts of a bar: name, start, end, left, width in %."""
    moments = [
        datetime.fromisoformat(str(window[name]))
        for name in ("train_start_time", "train_end_time", "validation_start_time", "validation_end_time")
    ]
    whole = max((moments[-1] - moments[0]).total_seconds(), 1.0)
    parts = []
    for name, start, end in zip(
        ("training", "label delay", "validation"), moments, moments[1:], strict=False
    ):
        days = (end - start).total_seconds() / 86_400
        left = (start - moments[0]).total_seconds() / whole * 100
        parts.append(
            {
                "name": name,
                "start": start.isoformat(),
                "end": end.isoformat(),
                "days": round(days, 2),
                "left": round(left, 3),
                "width": round(days * 86_400 / whole * 100, 3),
            }
        )
    return parts


def _few(points: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """Chooses points of a curve for a table."""
    if len(points) <= _TABLE_POINTS:
        return list(points)
    step = (len(points) - 1) / (_TABLE_POINTS - 1)
    return [points[round(place * step)] for place in range(_TABLE_POINTS)]


def _off(validation: Mapping[str, Any] | None) -> dict[str, int]:
    """Counts the bins whose probability lies outside of the interval of what was observed."""
    parts = validation["calibration"] if validation else {}
    return {
        name: sum(not bin_["holds"] for bin_ in parts.get(name, ()))
        for name in ("by_rows", "by_expected_frauds")
    }


def _ranks(validation: Mapping[str, Any] | None) -> list[tuple[str, list[int | None]]]:
    return ranks_by_version(validation["importance_history"]["versions"]) if validation else []


def _outlier_rules(quality: Mapping[str, Any] | None) -> list[str]:
    found = (column.get("outliers") for column in (quality or {}).get("columns", {}).values())
    return list(dict.fromkeys(outliers["rule"] for outliers in found if outliers))


def _drift_counts(drift: Sequence[Mapping[str, Any]] | None) -> dict[str, int]:
    """Counts the features by how far they moved; the score stands among them and is none."""
    values = [entry["psi"] or 0.0 for entry in drift or () if entry["name"] != SCORE]
    return {
        "features": len(values),
        "still": sum(value < WATCH for value in values),
        "watch": sum(WATCH <= value < LARGE for value in values),
        "act": sum(value >= LARGE for value in values),
    }


def _names(rows: Sequence[Mapping[str, Any]], known: Sequence[str]) -> list[str]:
    """Returns the names of the single figures that any row has, in the order in which they appear."""
    found: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            if name not in known and not _is_nested(value):
                found[name] = None
    return list(found)


def _common(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the settings that are the same in all of several trials."""
    if len(settings) < 2:
        return {}
    return {
        name: value
        for name, value in settings[0].items()
        if all(name in other and other[name] == value for other in settings)
    }


def _is_table(value: Any) -> bool:
    """Tells whether a value is a list of mappings of values that fit a cell, which reads best as a table."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) and not any(_is_nested(cell) for cell in row.values()) for row in value)
    )


def _is_nested(cell: Any) -> bool:
    return isinstance(cell, dict) or (
        isinstance(cell, list) and any(isinstance(member, dict | list) for member in cell)
    )
