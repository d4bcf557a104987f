"""What a program and its children take: seconds of processor time and bytes of memory, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

from trainer.memory import family

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> dict[int, float]:
    """Returns the processor time that each process of a family has taken, user and system, in seconds."""
    taken = {}
    for member in family(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        taken[member] = (int(fields[11]) + int(fields[12])) / _TICKS
    return taken


def rss_bytes(pid: int) -> int:
    """Returns the memory that a family holds: what its processes share is counted once.

    That is their proportional set size, from smaps_rollup.
    """
    total = 0
    for member in family(pid):
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total
