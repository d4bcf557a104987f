"""The plots of a model card, each from the validator's document alone; None where the run made no figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.card.drawing import BLUE, GREEN, INK, ORANGE, PALE, PURPLE, RED, draw, short
from trainer.card.validation_plots import validation_plots
from trainer.card.words import ALGORITHMS
from trainer.evaluation.drift import LARGE, WATCH

BARS = 25  # more would not be read: the tables hold all
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, PALE)
_FLOOR = 1e-4  # of the logarithmic axes

Document = Mapping[str, Any]


def plots(document: Document) -> dict[str, str | None]:
    """Returns every plot by name as an SVG element."""
    evaluation = document["evaluation"]
    curves, thresholds = evaluation["curves"], evaluation["thresholds"]
    operating = curves["operating"] if curves else []
    return {
        "precision_recall": _precision_recall(operating, thresholds) if operating else None,
        "alerts": _alerts(operating, thresholds) if operating else None,
        "reliability": _reliability(curves["reliability"], 0.0) if curves else None,
        "reliability_low": _reliability(curves["reliability"], _FLOOR) if curves else None,
        "importance": _importance(document["features"]),
        "drift": _drift(document["drift"]),
        "search": _search(document["search"]),
    } | validation_plots(document)


def at_threshold(operating: Sequence[Mapping[str, float]], threshold: float) -> Mapping[str, float] | None:
    """Returns the point of a threshold, which is in single precision as scores are; None when none alerts."""
    found = [point for point in operating if point["threshold"] >= np.float32(threshold)]
    return found[-1] if found else None


def _precision_recall(operating: Sequence[Mapping[str, float]], thresholds: Mapping[str, Any]) -> str:
    def paint(figure: Any) -> None:
        axes = figure.subplots()
        recall, precision = ([point[name] for point in operating] for name in ("recall", "precision"))
        axes.plot(recall, precision, color=BLUE)
        for name, colour in (("decline", RED), ("review", ORANGE)):
            point = at_threshold(operating, thresholds[name])
            if point is not None:
                axes.plot(
                    point["recall"], point["precision"], "o", color=colour, label=f"{name.upper()} threshold"
                )
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.03))
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="lower left")

    return draw(
        "precision-recall",
        "Precision over recall on the test window, with the review and decline thresholds; "
        "the points are in the table below.",
        (4.7, 3.3),
        paint,
    )


def _alerts(operating: Sequence[Mapping[str, float]], thresholds: Mapping[str, Any]) -> str:
    def paint(figure: Any) -> None:
        axes = figure.subplots()
        alerts = [point["alerts_per_day"] for point in operating]
        axes.plot(alerts, [p["recall"] for p in operating], color=BLUE, label="share of frauds found")
        saved = [p["recall_by_value"] for p in operating]
        axes.plot(alerts, saved, color=GREEN, linestyle="--", label="share of stolen money found")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        for name, colour in (("decline", RED), ("review", ORANGE)):
            point = at_threshold(operating, thresholds[name])
            if point is not None:
                axes.axvline(
                    point["alerts_per_day"],
                    color=colour,
                    linestyle=":",
                    linewidth=1.3,
                    label=f"{name.upper()} threshold",
                )
        axes.set(xlabel="alerts a day (logarithmic)", ylabel="share found", ylim=(0, 1.03))
        figure.legend(loc="outside upper center", ncols=2)

    return draw(
        "alerts",
        "Share of frauds and of stolen money found, over alerts a day, on the test window; "
        "the points are in the table below.",
        (4.7, 3.3),
        paint,
    )


def _reliability(bins: Sequence[Mapping[str, float]], floor: float) -> str:
    """Draws observed over predicted; with a floor on logarithmic axes, where zero cannot be drawn."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([floor, 1], [floor, 1], color=PALE, linewidth=1, linestyle="--")
        observed = [max(point["observed"], floor) for point in bins]
        ends = [(max(point["observed_low"], floor), max(point["observed_high"], floor)) for point in bins]
        axes.errorbar(
            [max(point["predicted"], floor) for point in bins],
            observed,
            yerr=[
                [max(value - low, 0) for value, (low, _) in zip(observed, ends, strict=True)],
                [max(high - value, 0) for value, (_, high) in zip(observed, ends, strict=True)],
            ],
            fmt="o",
            color=BLUE,
            ecolor="#8fb3d6",
            markersize=4.5,
            capsize=2,
        )
        axes.set(xlabel="mean predicted probability", ylabel="observed share of fraud")
        if not floor:
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
            return
        axes.set(xscale="log", yscale="log", xlim=(floor * 0.8, 1.25), ylim=(floor * 0.8, 1.25))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")

    return draw(
        "reliability-low" if floor else "reliability",
        "Observed share of fraud over predicted probability"
        f"{' on logarithmic axes' if floor else ''}, with 95 % intervals; points on the diagonal are right; "
        "the bins are in the table below.",
        (4.7, 3.7),
        paint,
    )


def _bars(
    name: str, description: str, rows: Sequence[tuple[str, float]], label: str, marks: Sequence[float] = ()
) -> str:
    def paint(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(rows))
        axes.barh(places, [value for _, value in rows], color=BLUE, height=0.68)
        axes.set_yticks(places, [short(text) for text, _ in rows])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(y=0.01)
        axes.set_xlabel(label)
        shown = max((value for _, value in rows), default=0.0)
        for mark, colour in zip(marks, (ORANGE, RED), strict=False):
            if mark <= shown * 4 or mark == marks[0]:
                axes.axvline(mark, color=colour, linestyle=":", linewidth=1.4)

    return draw(name, description, (5.9, 0.8 + 0.215 * len(rows)), paint)


def _importance(features: Sequence[Mapping[str, Any]]) -> str | None:
    rows = [(entry["name"], entry["importance"]) for entry in features if entry["importance"] is not None]
    if not rows:
        return None
    told = f"Importance of the {min(len(rows), BARS)} most important features; all are in the table below."
    return _bars("importance", told, rows[:BARS], "importance")


def _drift(drift: Sequence[Mapping[str, Any]] | None) -> str | None:
    rows = [(entry["name"], entry["psi"]) for entry in drift or () if entry["psi"] is not None]
    if not rows:
        return None
    told = (
        f"Population stability index of the {min(len(rows), BARS)} features that moved most between training "
        "and test; all are in the table below."
    )
    return _bars("drift", told, rows[:BARS], "population stability index", (WATCH, LARGE))


def _search(search: Mapping[str, Any] | None) -> str | None:
    done = [trial for trial in (search or {}).get("trials", ()) if trial["average_precision"] is not None]
    if search is None or not done:
        return None
    in_order = search["in_order"]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        best, line = 0.0, []
        for trial in done:
            best = max(best, trial["average_precision"])
            line.append(best)
        if in_order:
            numbers = [trial["number"] for trial in done]
            axes.step(numbers, line, where="post", color=PALE, label="best so far")
        kinds = sorted({str(trial["parameters"].get("algorithm", "model")) for trial in done})
        for place, kind in enumerate(kinds):
            own = [trial for trial in done if str(trial["parameters"].get("algorithm", "model")) == kind]
            axes.plot(
                [trial["number"] for trial in own],
                [trial["average_precision"] for trial in own],
                "o",
                color=_COLOURS[place % len(_COLOURS)],
                markersize=4.5,
                label=ALGORITHMS.get(kind, kind),
            )
        for trial in done:
            if trial["chosen"]:
                mark = (trial["number"], trial["average_precision"])
                axes.plot(
                    *mark, "o", markersize=11, markerfacecolor="none", markeredgecolor=INK, label="chosen"
                )
        if len(done) > 1:
            axes.xaxis.get_major_locator().set_params(integer=True)
        else:
            axes.set_xticks([done[0]["number"]])
        axes.set(
            xlabel="trial, in the order of starting" if in_order else "trial", ylabel="average precision"
        )
        figure.legend(loc="outside upper center", ncols=3)

    told = "Average precision of every trial; the table below holds all."
    return draw("search", told, (5.9, 3.6), paint)
