"""Ends a process that has lost its history: with a sentence, and an exit code that the supervisor knows."""

from __future__ import annotations

import os
from typing import NoReturn

EXIT_CODE = 74
"""Of a process that lost its history's file or lock (EX_IOERR of sysexits.h)."""
_STANDARD_ERROR = 2


def end_without_history(why: str) -> NoReturn:
    """Writes why, and ends the process at once: whatever it still had to do would need the history."""
    sentence = f"kuntur-server: {why}: the server ends. Started again it looks the history through.\n"
    os.write(_STANDARD_ERROR, sentence.encode())
    os._exit(EXIT_CODE)
