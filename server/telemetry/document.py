"""The metrics as a page for people: `python -m server.telemetry.document > docs/metrics.md`."""

from __future__ import annotations

import sys

from server.telemetry.catalogue import CATALOGUE, Of

_HEAD = """\
# Metrics

Made from `server/telemetry/catalogue.py` by `make generate`; do not edit.

`--metrics-port PORT` offers them for Prometheus at `/metrics`. With several workers each has its own, with
the label `worker` besides those listed, and what they share stands once: take
`sum without (worker) (rate(…))`. A histogram has `_bucket`, `_count` and `_sum` behind its name; counters and
histograms may have a companion with `_created`, the time at which they began. All times are in seconds.
"""
_PARTS = {
    Of.PROCESS: "Calls, models and attributes",
    Of.JOURNAL: "The journal, where one is kept",
    Of.SIGNING: "The journal's checkpoints, where they are signed, once for all workers",
    Of.TLS: "Certificates, where there is TLS",
    Of.HISTORY: "The history, once for all workers",
    Of.SUPERVISOR: "Workers, where there are several",
}


def render() -> str:
    """Returns the page as Markdown."""
    lines = [_HEAD]
    for whose, title in _PARTS.items():
        lines += [f"## {title}", "", "| metric | kind | labels | what |", "| --- | --- | --- | --- |"]
        for declared in CATALOGUE:
            if declared.of is whose:
                labels = ", ".join(f"`{label}`" for label in declared.labels)
                lines.append(f"| `{declared.exposed}` | {declared.kind} | {labels} | {declared.text} |")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
