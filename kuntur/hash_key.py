"""The key of the ids' hashes, apart from the hashing: that loads a compiler, and settings must load fast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Public on purpose: trainer and server agree without configuration. An institution sets its own.
DEFAULT_HASH_KEY = "4b756e747572206964206b6579207631"


def secret_from_hex(text: str) -> npt.NDArray[np.uint64]:
    """Reads a hash key: 32 hexadecimal digits, to uint64 [2]. Raises ValueError on anything else."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != 16:
        raise ValueError("a hash key is 32 hexadecimal digits (16 bytes)")
    return np.frombuffer(raw, dtype="<u8").copy()
