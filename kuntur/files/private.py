"""Files and folders that only the account of their maker can open: what they hold is personal data."""

from __future__ import annotations

import os
from pathlib import Path


def make_private(directory: Path) -> None:
    """Makes a directory, and those above it that are missing, for its owner alone. Raises OSError."""
    if not directory.is_dir():
        if directory.parent != directory:
            make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)


def open_private(path: Path, flags: int) -> int:
    """Opens a file, made for its owner alone where it is not there, and returns its descriptor.

    Raises OSError.
    """
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)


def is_at(descriptor: int, path: Path) -> bool:
    """Returns whether a path still leads to an open file: it was not removed, renamed or replaced.

    Raises OSError when that cannot be found out.
    """
    opened = os.fstat(descriptor)
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)
