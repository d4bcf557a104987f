"""Files and folders that only the account of their maker can open: they hold personal data, or a key."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kuntur.files.paths import UnusableFileError, content_of, sync


def make_private(directory: Path) -> None:
    """Makes a directory, and those above it that are missing, for its owner alone.

    Their names are on the disk when this returns. Raises OSError.
    """
    if not directory.is_dir():
        if directory.parent != directory:
            make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        sync(directory.parent)


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


def read_secret(path: Path, max_bytes: int) -> bytes:
    """Returns what is in the file of a key.

    Raises UnusableFileError, in words that follow its name, where others than its owner may read it, it is no
    regular file or larger than that; OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        content = content_of(descriptor, max_bytes)
    finally:
        os.close(descriptor)
    if mode & 0o077:
        raise UnusableFileError(f"has mode {mode:04o}, but a key is for its owner alone: chmod 600")
    return content


def write_secret(path: Path, text: str) -> None:
    """Writes a key to a new file of mode 0600. Raises OSError, also where a file is there."""
    make_private(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    sync(path.parent)
