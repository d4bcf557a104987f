"""Precision over recall and reliability of each fold, as SVG files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainer.backtest.contenders import RECIPE, TITLES
from trainer.backtest.figures.metrics import reliability
from trainer.backtest.figures.scored import Scored
from trainer.backtest.run import Round

_POINTS = 400  # of a curve: more would only make the file larger


def write_plots(rounds: list[Round], directory: Path) -> list[Path]:
    """Writes `fold-NUMBER.svg` for each fold and returns the paths."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    directory.mkdir(parents=True, exist_ok=True)
    written = []
    # A fixed salt and no date, so that the same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "kuntur", "svg.fonttype": "none"}):
        for one in rounds:
            figure = Figure(figsize=(11, 4.6), layout="constrained")
            left, right = figure.subplots(1, 2)
            _precision_recall(left, one)
            _reliability(right, one.judged[RECIPE].scored)
            figure.suptitle(f"Fold {one.fold.number}, tested from {one.fold.test_start}")
            path = directory / f"fold-{one.fold.number}.svg"
            figure.savefig(path, metadata={"Date": None})
            written.append(path)
    return written


def _precision_recall(axes: Any, one: Round) -> None:
    for name, judged in one.judged.items():
        recall, precision = _curve(judged.scored)
        point = "o" if len(recall) == 1 else None  # of a contender that cannot tell transactions apart
        axes.plot(recall, precision, label=TITLES[name], linewidth=2 if name == RECIPE else 1, marker=point)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title="Precision over recall")
    axes.legend(loc="upper right", fontsize="small")


def _curve(rows: Scored) -> tuple[Any, Any]:
    order = np.argsort(-rows.score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(rows.score[order]) != 0, True))
    caught = np.cumsum(rows.label[order])[ends]
    recall, precision = caught / max(int(caught[-1]), 1), caught / (ends + 1)
    if len(ends) > _POINTS:  # evenly over recall, where the eye looks
        kept = np.unique(np.searchsorted(recall, np.linspace(0, 1, _POINTS)))
        kept = kept[kept < len(ends)]
        recall, precision = recall[kept], precision[kept]
    return recall, precision


def _reliability(axes: Any, rows: Scored) -> None:
    table = reliability(rows)
    said = [entry["mean_probability"] for entry in table]
    was = [entry["fraud_share"] for entry in table]
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.plot(said, was, marker="o", label=TITLES[RECIPE])
    for x, y, text in _counts(table):
        axes.annotate(text, (x, y), textcoords="offset points", xytext=(4, -10), fontsize="x-small")
    axes.set(
        xlabel="probability given", ylabel="share of fraud", xlim=(0, 1), ylim=(0, 1.02), title="Reliability"
    )


def _counts(table: list[dict[str, float]]) -> Iterator[tuple[float, float, str]]:
    for entry in table:
        yield entry["mean_probability"], entry["fraud_share"], f"{int(entry['rows']):,}"
