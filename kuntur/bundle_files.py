"""Files as a bundle needs them: hashed, safely on disk, and arrays that run nothing when read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

_CHUNK_BYTES = 1 << 20


def sha256(path: Path) -> str:
    """Gives the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Waits until a file or directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_array(path: Path) -> npt.NDArray[np.float32]:
    """Reads an array of whatever type and shape; the caller looks at both. Raises ValueError."""
    # Not np.load: that takes archives too, and has an error of its own for an empty file.
    with path.open("rb") as file:
        array: npt.NDArray[np.float32] = np.lib.format.read_array(file, allow_pickle=False)
    return array
