"""What was found of each kind of fraud, and how long after its first transaction, as one SVG file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trainer.backtest.figures.incidents import FirstAlerts
from trainer.backtest.findings import ALL, Findings

_SHORTEST_H, _LONGEST_H = 1 / 60, 7 * 24.0
_TICKS = {1 / 60: "1 min", 1 / 6: "10 min", 1.0: "1 h", 6.0: "6 h", 24.0: "1 day", 168.0: "7 days"}
_MOST_LINES = 10


def write_kinds_plot(found: Findings, directory: Path) -> Path:
    """Writes `kinds.svg` and returns its path. Makes the directory."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "kinds.svg"
    # A fixed salt and no date, so that the same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": "kuntur", "svg.fonttype": "none"}):
        height = 2.6 + 0.32 * (1 + len(found.kinds))
        figure = Figure(figsize=(11, height), layout="constrained")
        left, right = figure.subplots(1, 2)
        _bars(left, found)
        _curves(right, found)
        figure.suptitle(f"What was found, at {found.alerts_per_day:g} alerts a day")
        figure.savefig(path, metadata={"Date": None})
    return path


def _bars(axes: Any, found: Findings) -> None:
    parts = [found.whole, *reversed(found.kinds)]
    place = np.arange(len(parts))
    for title, shift, color, shares in (
        ("of the frauds", 0.2, "C0", [part.recall for part in parts]),
        ("of their money", -0.2, "C1", [part.recall_by_value for part in parts]),
    ):
        value = np.nan_to_num([share.value for share in shares])
        ends = np.array([[share.low, share.high] for share in shares])
        # A figure without an interval has no whisker; one may lie a hair outside of its replicates.
        ends = np.clip(np.abs(np.where(np.isnan(ends), value[:, None], ends) - value[:, None]), 0, 1)
        axes.barh(place + shift, value, height=0.38, color=color, label=title)
        axes.errorbar(value, place + shift, xerr=ends.T, fmt="none", ecolor="grey", elinewidth=1)
    axes.set(xlim=(0, 1.02), xlabel="share found, with its 95 % interval")
    axes.set_yticks(place, [f"{part.name} ({part.frauds:,})" for part in parts], fontsize="small")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize="small", frameon=False)


def _curves(axes: Any, found: Findings) -> None:
    for name in [kind.name for kind in found.kinds][:_MOST_LINES]:
        axes.step(*_over_time(found.first[name]), where="post", label=name, linewidth=1.2)
    axes.step(*_over_time(found.first[ALL]), where="post", label=ALL, color="black", linewidth=2)
    axes.set(
        xscale="log",
        xlim=(_SHORTEST_H, _LONGEST_H),
        ylim=(0, 1.02),
        xlabel="time since the first fraud of the incident",
        ylabel="share of incidents found",
    )
    axes.set_xticks(list(_TICKS), list(_TICKS.values()))
    axes.minorticks_off()
    axes.legend(loc="lower right", fontsize="x-small")


def _over_time(first: FirstAlerts) -> tuple[Any, Any]:
    """Returns hours and the share of incidents found by then; those at once stand at the left edge."""
    hours = np.sort(np.maximum(first.hours[first.found], _SHORTEST_H))
    share = np.arange(1, len(hours) + 1) / max(len(first.row), 1)
    at_once = share[hours <= _SHORTEST_H][-1:] if len(hours) else share
    start = at_once if len(at_once) else np.zeros(1)
    later = hours > _SHORTEST_H
    end = share[-1:] if len(share) else np.zeros(1)
    return (
        np.concatenate([[_SHORTEST_H], hours[later], [_LONGEST_H]]),
        np.concatenate([start, share[later], end]),
    )
