"""The limit on the size of a process's files (RLIMIT_FSIZE), looked at before a file meets it."""

from __future__ import annotations

import resource


def check_file_limit(name: str, size_bytes: int, otherwise: str = "") -> None:
    """Raises OSError when a file may come to be larger than this process may make files.

    Args:
        name: The file, as the operator knows it.
        size_bytes: What it may come to.
        otherwise: What else can be done than to raise the limit.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and limit < size_bytes:
        raise OSError(
            f"{name} may take {size_bytes / 2**20:,.0f} MiB and a file may have {limit / 2**20:,.1f} MiB "
            f"here: raise that limit (ulimit -f, LimitFSIZE= in a unit of systemd){otherwise}"
        )
