"""`python -m bench.plots`: draws latency by offered rate from the figures of `bench.serving.rates`."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.measuring.report import read

PLOT = Path("docs/performance/latency.svg")
_SHARES = (25, 50, 75, 90)
_STYLES = {"p50": "-", "p99": "--"}
_COLOURS = {"kuntur": "#0b6e4f", "echo": "#888888"}
_NAMES = {"kuntur": "Kuntur", "echo": "bare echo"}


def draw(figures: dict[str, float], path: Path) -> None:
    """Draws p50 and p99 of Kuntur and of the echo, calls evenly on the left and at random on the right."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    # The same figures give the same bytes, so that the page changes only when they do.
    mpl.rcParams.update({"svg.hashsalt": "kuntur", "font.size": 9})
    figure, panels = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
    for panel, arrivals, title in zip(panels, ("even", "poisson"), ("evenly", "at random"), strict=True):
        rates = [figures["maximum_per_s"] * share / 100 for share in _SHARES]
        for name, colour in _COLOURS.items():
            for percentile, style in _STYLES.items():
                values = [figures[f"{name}_{arrivals}_{share}_{percentile}_ms"] for share in _SHARES]
                panel.plot(
                    rates,
                    values,
                    style,
                    color=colour,
                    marker="o",
                    markersize=3,
                    label=f"{_NAMES[name]}, {percentile}",
                )
        panel.set_yscale("log")
        panel.set_xlabel("single calls offered a second")
        panel.set_title(f"calls {title}")
        panel.grid(True, which="both", alpha=0.25)
    panels[0].set_ylabel("latency from when due, ms")
    panels[0].legend(frameon=False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draws."""
    found = read("rates")
    if found is None:
        sys.exit("there is nothing to draw: run `python -m bench.serving.rates` first")
    draw(found[0], PLOT)
    print(f"Drawn to {PLOT}")


if __name__ == "__main__":
    main()
