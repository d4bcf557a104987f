"""What a program and its children take: seconds of processor time and bytes of memory, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Returns a process and all its descendants that still run."""
    found, looked_at = [pid], 0
    while looked_at < len(found):
        tasks = Path(f"/proc/{found[looked_at]}/task")
        looked_at += 1
        for task in tasks.glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:  # a thread that has just ended
                continue
    return found


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
