"""The plots of what a validator asks beyond the test window; None where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.card.drawing import BLUE, GREEN, INK, ORANGE, PALE, PURPLE, RED, draw, short
from trainer.card.words import spoken

Document = Mapping[str, Any]
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, INK, PALE, "#0f766e", "#a16207", "#9d174d")
_BARS = "#8fb3d6"
RANKED = 10  # features whose rank is followed


def validation_plots(document: Document) -> dict[str, str | None]:
    """Returns every plot by name as an SVG element."""
    validation = document["validation"]
    found: dict[str, str | None] = {"segments": _segments(document["evaluation"]["segments"])}
    if validation is None:
        return found | dict.fromkeys(("folds", "misses", "calibration_parts", "importance_history"))
    return found | {
        "folds": _folds(document),
        "misses": _misses(validation["misses"]),
        "calibration_parts": _calibration(validation["calibration"]["by_expected_frauds"]),
        "importance_history": _history(validation["importance_history"]["versions"]),
    }


def ranks_by_version(versions: Sequence[Document]) -> list[tuple[str, list[int | None]]]:
    """Returns the ranks of the last version's most important features in all versions, None for none."""
    ranks = [
        {weight["name"]: place for place, weight in enumerate(version["features"], start=1)}
        for version in versions
    ]
    top = [weight["name"] for weight in versions[-1]["features"][:RANKED]]
    return [(name, [of.get(name) for of in ranks]) for name in top]


def _folds(document: Document) -> str | None:
    folds = document["validation"]["folds"]
    if not folds["folds"]:
        return None
    own = (document["evaluation"]["intervals"] or {}).get("average_precision") or {
        "value": document["evaluation"]["metrics"]["average_precision"], "low": None, "high": None
    }  # fmt: skip
    rows = [(each["test_start"][:10], each["figures"]["average_precision"]) for each in folds["folds"][::-1]]
    rows.append(("test window", own))

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.axhline(folds["spread"]["average_precision"]["mean"], color=PALE, linestyle=":", linewidth=1.3)
        for place, (name, interval) in enumerate(rows):
            colour = ORANGE if name == "test window" else BLUE
            _whisker(axes, place, interval, colour, upright=True)
        axes.set_xticks(range(len(rows)), [name for name, _ in rows])
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.set_ylim(0, 1.02)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("average precision")

    return draw(
        "folds",
        "Average precision of the earlier windows and of the test window, with 95 % intervals; the "
        "figures are in the table below.",
        (5.9, 2.9),
        paint,
    )


def _segments(segments: Sequence[Document] | None) -> str | None:
    rows = [
        (
            f"{row['dimension']}: {spoken(row['value'])}",
            {
                "value": row["average_precision"],
                "low": row.get("average_precision_low"),
                "high": row.get("average_precision_high"),
            },
        )
        for row in segments or ()
        if row.get("average_precision") is not None
    ]
    told = "Average precision by segment, with 95 % intervals; all figures are in the table below."
    return _rows("segments", told, rows, "average precision") if rows else None


def _misses(misses: Document) -> str | None:
    rows = [(f"{part['segment']}: {spoken(part['name'])}", part["missed_share"]) for part in misses["parts"]]
    if not rows:
        return None
    told = "Share of the frauds missed by segment, with 95 % intervals; the figures are in the table below."
    return _rows("misses", told, rows, "share of the frauds missed", misses["whole"]["missed_share"]["value"])


def _rows(
    name: str,
    description: str,
    rows: Sequence[tuple[str, Document]],
    label: str,
    mark: float | None = None,
) -> str:
    """Draws a figure with its interval for each row, all on one axis from 0 to 1."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        if mark is not None:
            axes.axvline(mark, color=ORANGE, linestyle=":", linewidth=1.3)
        for place, (_, interval) in enumerate(rows):
            _whisker(axes, place, interval, BLUE, upright=False)
        axes.set_yticks(range(len(rows)), [short(text, 46) for text, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(-0.01, 1.01)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(label)

    return draw(name, description, (6.4, 0.8 + 0.2 * len(rows)), paint)


def _whisker(axes: Any, place: int, interval: Document, colour: str, *, upright: bool) -> None:
    value, low, high = interval["value"], interval["low"], interval["high"]
    if value is None:
        return
    if low is not None and high is not None:
        line = axes.vlines if upright else axes.hlines
        line(place, low, high, color=_BARS if colour == BLUE else colour, linewidth=2.2, alpha=0.75)
    point = (place, value) if upright else (value, place)
    axes.plot(*point, "o", color=colour, markersize=5)


def _calibration(bins: Sequence[Document]) -> str | None:
    if not bins:
        return None
    # Axes from the power of ten below all that is drawn, zero aside, which stands at the foot.
    drawn = [value for bin_ in bins for value in (bin_["predicted"], bin_["observed"]) if value > 0]
    floor = 10.0 ** (len(f"{1 / min(drawn):.0f}") * -1) if drawn else 1e-4

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([floor, 1], [floor, 1], color=PALE, linewidth=1, linestyle="--")
        for bin_ in bins:
            at, low = max(bin_["predicted"], floor), max(bin_["observed_low"], floor)
            axes.vlines(at, low, max(bin_["observed_high"], floor), color=_BARS, linewidth=2.2)
            axes.plot(
                at, max(bin_["observed"], floor), "o", color=BLUE if bin_["holds"] else RED, markersize=5
            )
        axes.set(xscale="log", yscale="log", xlim=(floor * 0.8, 1.25), ylim=(floor * 0.8, 1.25))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value * 100:g} %")
        axes.set(xlabel="mean predicted probability", ylabel="observed share of fraud")

    return draw(
        "calibration-parts",
        "Observed share of fraud over predicted probability in parts that each expect as many frauds, with "
        "95 % intervals; the bins are in the table below.",
        (6.4, 4.2),
        paint,
    )


def _history(versions: Sequence[Document]) -> str | None:
    if len(versions) < 2:
        return None
    followed = ranks_by_version(versions)
    deepest = max((rank or 0 for _, ranks in followed for rank in ranks), default=1)
    shown = min(max(deepest, RANKED), 3 * RANKED)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(versions))
        for number, (name, ranks) in enumerate(followed):
            line = [float("nan") if rank is None else min(rank, shown + 1) for rank in ranks]
            axes.plot(places, line, "o-", color=_COLOURS[number % len(_COLOURS)], linewidth=1.6, markersize=4)
            axes.annotate(
                short(name, 30), (len(versions) - 1, line[-1]), xytext=(8, 0),
                textcoords="offset points", va="center", fontsize=8.5, annotation_clip=False,
            )  # fmt: skip
        ends = [each["validation_end"][:10] if each["version"] else "this model" for each in versions]
        axes.set_xticks(places, ends, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_yticks([1, *range(5, shown + 1, 5)])
        axes.set_xlim(-0.2, len(versions) - 1 + 0.05)
        axes.set_ylim(shown + 1.5, 0.5)
        axes.set_ylabel("rank")
        axes.spines["right"].set_visible(False)

    told = "Rank of the most important features in each version of the registry; all are in the table below."
    return draw("importance-history", told, (6.4, 3.6), paint)
