"""From the rounds of each server to figures, and from figures to the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bench.measuring.report import Sheet
from bench.peers.measuring import Measured

KUNTUR = "kuntur"
_KUNTUR_DOES = "history, features, model, decision"
_PEER_DOES = "model"
_HEADINGS = (
    "server",
    "what it does",
    "1 in flight",
    "its p50",
    "32 in flight",
    "512 rows a message",
)


def figures(rounds: Mapping[str, Sequence[Measured]]) -> dict[str, float]:
    """Returns the medians over the rounds of each server, by its name."""
    found = {}
    for name, measured in rounds.items():
        found[f"{name}_1_per_s"] = median(one.lone.per_second for one in measured)
        found[f"{name}_1_p50_ms"] = median(one.lone.percentile_ms(50) for one in measured)
        found[f"{name}_32_per_s"] = median(one.busy.per_second for one in measured)
        found[f"{name}_rows_per_s"] = median(one.rows_per_s for one in measured)
    return found


def sheet(found: Mapping[str, float], titles: Mapping[str, str]) -> Sheet:
    """Returns the table of those servers that have figures.

    titles: what each is called, by name, in the order of the rows.
    """
    rows: list[tuple[str, ...]] = [
        (
            title,
            _KUNTUR_DOES if name == KUNTUR else _PEER_DOES,
            f"{found[f'{name}_1_per_s']:,.0f}/s",
            f"{found[f'{name}_1_p50_ms']:.2f} ms",
            f"{found[f'{name}_32_per_s']:,.0f}/s",
            f"{found[f'{name}_rows_per_s']:,.0f} rows/s",
        )
        for name, title in titles.items()
        if f"{name}_1_per_s" in found
    ]
    return Sheet("Kuntur and public model servers, the same model, each alone on one core", _HEADINGS, rows)
