"""The limit on the size of a process's files (RLIMIT_FSIZE), checked before a file reaches it."""

from __future__ import annotations

import resource


def check_file_limit(name: str, size_bytes: int, otherwise: str = "") -> None:
    """Raises OSError when a file may grow larger than this process is allowed to make it.

    Args:
        name: The file, as the operator knows it.
        size_bytes: How large it may become.
        otherwise: What else can be done instead of raising the limit.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and limit < size_bytes:
        raise OSError(
            f"{name} may take {size_bytes / 2**20:,.0f} MiB and a file may have {limit / 2**20:,.1f} MiB "
            f"here: raise that limit (ulimit -f, LimitFSIZE= in a unit of systemd){otherwise}"
        )
