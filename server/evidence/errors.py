"""Why there is no evidence."""

from __future__ import annotations


class EvidenceError(Exception):
    """What was asked for cannot be written: what is missing or wrong, and what to do next."""
