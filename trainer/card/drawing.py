"""How the plots of a model card are drawn: one quiet style, SVG that stands inside a page, the same bytes.

Text stays text, so that it can be searched, read aloud and printed sharply. What is drawn is left to `plots`.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, PALE, GRID = "#1f2933", "#667085", "#e3e7ec"
BLUE, ORANGE, GREEN, PURPLE, RED = "#1b5e9b", "#c2570c", "#2e7d4f", "#6b4fa0", "#b3261e"
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names come from data: a dollar sign is a dollar sign
    "font.size": 9.5,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#98a2b3",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "figure.constrained_layout.use": True,
}
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_META = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_HEAD = re.compile(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', re.DOTALL)


def draw(name: str, description: str, size: tuple[float, float], paint: Callable[[Figure], Any]) -> str:
    """Draws a figure and returns it as an SVG element for a page.

    name: distinguishes its ids from those of the page's other plots; description: what a reader who does
    not see it is told; size: inches; paint: draws on an empty figure.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size)
        paint(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_METADATA)
    return _inlined(name, description, buffer.getvalue())


def _inlined(name: str, description: str, svg: str) -> str:
    """Takes out what only a file of its own needs, and what would name a place on the network."""
    svg = _META.sub("", _PROLOGUE.sub("", svg))
    svg = re.sub(r'\b(id=|href=|xlink:href=)"(#?)', rf'\1"\2{name}-', svg)
    svg = svg.replace("xlink:href=", "href=").replace("url(#", f"url(#{name}-")
    head = f'<svg class="plot" role="img" aria-label="{html.escape(description)}" viewBox="\\1">'
    return _HEAD.sub(lambda found: found.expand(head.replace("\\1", found.group(1))), svg, count=1).strip()


def short(name: str, length: int = 38) -> str:
    """Returns a name that fits beside an axis."""
    return name if len(name) <= length else name[: length - 1] + "…"
