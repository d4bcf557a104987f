"""Files as a bundle needs them: read once and safely, hashed, safely on disk; reading them runs nothing.

Whoever can write into a registry can put anything there: a link to a device that never ends, a pipe that
blocks whoever opens it, a file that is another one when it is opened again. So a file is opened without
following links and without waiting, has to be a regular one, is read within a bound, and is read once:
what is used is what was hashed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from kuntur.files.paths import UnusableFileError, content_of

_CHUNK_BYTES = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def read_file(directory: Path, name: str, max_bytes: int) -> bytes:
    """Returns the content of a regular file.

    Args:
        directory: Where it lies; this may be a link.
        name: Path below it, with slashes; no part of it may be a link.
        max_bytes: Largest content that is read.

    Raises:
        UnusableFileError: It is a link, no regular file, or larger than `max_bytes`.
        OSError: It is not there, or cannot be read.
    """
    with _opened(directory, name) as descriptor:
        return content_of(descriptor, max_bytes)


def hash_file(directory: Path, name: str, size_bytes: int) -> tuple[int, str]:
    """Returns size and SHA-256 of a regular file, of which at most `size_bytes` and one more are read.

    Raises what `read_file` raises.
    """
    digest, size = hashlib.sha256(), 0
    with _opened(directory, name) as descriptor:
        size = os.fstat(descriptor).st_size
        if size != size_bytes:
            return size, ""
        left = size_bytes + 1
        with open(descriptor, "rb", closefd=False) as file:
            while chunk := file.read(min(_CHUNK_BYTES, left)):
                digest.update(chunk)
                left -= len(chunk)
    return size_bytes + 1 - left, digest.hexdigest()


@contextmanager
def _opened(directory: Path, name: str) -> Iterator[int]:
    """Opens a regular file below a directory, following no link on the way."""
    *folders, last = PurePosixPath(name).parts
    if PurePosixPath(name).is_absolute() or ".." in folders or last == "..":
        raise UnusableFileError("lies outside of its directory")
    at = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            at = _replace(at, _open(folder, _READ | os.O_DIRECTORY, at))
        at = _replace(at, _open(last, _READ, at))
        if not stat.S_ISREG(os.fstat(at).st_mode):
            raise UnusableFileError("is not a regular file")
        yield at
    finally:
        os.close(at)


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def _open(name: str, flags: int, directory: int) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except OSError as error:
        # A link is ELOOP, or with O_DIRECTORY ENOTDIR; a socket ENXIO.
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise UnusableFileError("is not a regular file, or lies behind a link") from error
        raise
