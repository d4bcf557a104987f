"""Counts that a caller chooses, checked before anything is sent."""

from __future__ import annotations


def at_least_one(**counts: int) -> None:
    """Raises ValueError when a count is below 1, with its name."""
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is at least 1, not {count}")
