"""Removes the files of the journal that have become too old or too many, and says which."""

from __future__ import annotations

from pathlib import Path

import structlog

from kuntur.journal.retention import expire
from kuntur.journal.sealing import KeyRing

_LOG = structlog.get_logger(__name__)


def remove_expired(
    directory: Path,
    *,
    keep_from: int,
    days: float | None,
    max_bytes: int | None,
    keys: KeyRing | None = None,
) -> list[Path]:
    """Returns the files that were removed, as `kuntur.journal.retention.expire` does. Raises OSError."""
    gone = expire(directory, keep_from=keep_from, days=days, max_bytes=max_bytes, keys=keys)
    for path in gone:
        _LOG.info("file of the journal removed: its time, or the room for all, is over", file=str(path))
    return gone
