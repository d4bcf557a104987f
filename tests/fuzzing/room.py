"""Folders in memory, for files that are written and read many hundred times a second."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108


def emptied(name: str) -> Path:
    """Returns an empty folder of this process, the same for each name."""
    folder = _room() / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@cache
def _room() -> Path:
    where = _MEMORY if _MEMORY.is_dir() else None
    room = Path(tempfile.mkdtemp(prefix="kuntur-fuzzing-", dir=where))
    atexit.register(shutil.rmtree, room, ignore_errors=True)
    return room
