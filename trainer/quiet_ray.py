"""A Ray of this machine that asks nobody outside of it.

Without a dashboard Ray still starts the dashboard's process, for its report of use alone. Before that process
looks whether reports are wanted, it asks the cloud's metadata service (169.254.169.254, and the name
metadata.google.internal) where it runs. Ray has no switch for it, so the process is not started. And Ray
finds the node's own address by a socket towards 8.8.8.8, unless it is given one.

Leans on a private function of Ray, whose version is locked: where it is gone, Ray starts as it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOOPBACK: dict[str, Any] = {"_node_ip_address": "127.0.0.1"}
"""What `ray.init` is told of the address of the only node."""
_STARTER = "start_api_server"


@contextmanager
def without_report_process() -> Iterator[None]:
    """Has `ray.init` start no process of the dashboard while the block lasts."""
    from ray._private import services

    start = getattr(services, _STARTER, None)
    if start is None:
        yield
        return
    setattr(services, _STARTER, lambda *_, **__: (None, None))
    try:
        yield
    finally:
        setattr(services, _STARTER, start)
