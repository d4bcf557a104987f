"""Finds out whether numba still compiles what leans on its inside."""

from __future__ import annotations

import logging
from typing import Any

_LOG = logging.getLogger(__name__)


def works(name: str, function: Any, *arguments: Any) -> bool:
    """Runs a compiled function once and tells whether it could be compiled; otherwise says so in the log.

    name: of what it is for. Found on disk, as nearly always, it is not compiled but loaded, in milliseconds.
    """
    try:
        function(*arguments)
    except Exception as error:  # whatever numba raises when its own code generation fails
        _LOG.warning("%s does without the inside of numba, and is slower: %r", name, error)
        return False
    return True
