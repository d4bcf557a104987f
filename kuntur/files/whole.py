"""Files that are there whole or not at all: written beside, synced, and renamed into their place."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kuntur.files.paths import sync

_DRAFT = ".draft"


def write_draft(path: Path, content: bytes) -> Path:
    """Writes what a file is to hold beside it, for the owner alone and on the disk, and returns where.

    Raises OSError.
    """
    draft = path.with_name(f".{path.name}{_DRAFT}")
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()  # of whoever was cut off; its mode may be another
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return draft


def replace_whole(path: Path, content: bytes) -> None:
    """Puts a file in the place of one of the same name, at once, whole, and so that it lasts. Raises OSError.

    One writer a file.
    """
    write_draft(path, content).rename(path)
    sync(path.parent)
