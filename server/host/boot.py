"""Which start of the machine this is: what was mapped and not synced is whole within one alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_number() -> int:
    """Returns a number for the current start of the machine; 0 where the system does not tell."""
    try:
        text = _BOOT_ID.read_text().strip()
    except OSError:
        return 0
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")
