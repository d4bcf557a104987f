"""What keeps a server's secrets in its process: private files, and no core dump.

A core dump would hold the key of the hashes, ids and amounts; a debugger under the same account could read
the same.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4
_PRIVATE = 0o077


def keep_private(*, core_dumps: bool) -> None:
    """Has this process make files and folders that only its account can open.

    Args:
        core_dumps: Whether a crash may leave a core dump, and whoever has the same account may attach a
            debugger.
    """
    os.umask(_PRIVATE)
    if core_dumps:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        # The limit alone does not hold where the kernel pipes dumps to a program.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
