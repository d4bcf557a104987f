"""What processes hold in memory, as Linux tells in /proc. When to look is left to those who ask."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """Returns a process and all its descendants that still run, itself first."""
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


def resident_bytes(pid: int, *, shared: bool = True) -> int:
    """Returns the memory that a process holds now; 0 of one that has ended.

    shared: whether what it may share with others counts: files, and shared memory such as Ray's object store.
    """
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(pages[1]) - (0 if shared else int(pages[2]))) * _PAGE


def high_water_bytes(pid: int) -> int:
    """Returns the most memory that a process has ever held, shared memory included; 0 of one that has ended.

    The mark is only read: to set it back, as Linux allows, would hide a peak from others who ask for it.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)
