"""A Ray of this machine that asks nobody outside of it.

Without a dashboard Ray still starts the dashboard's process, for its report of use alone. Before that process
looks whether reports are wanted, it asks the cloud's metadata service (169.254.169.254, and the name
metadata.google.internal) where it runs. Ray has no switch for it, so the process is not started. And Ray's
processes would speak to each other over the machine's outer address, unless the node is the only one.

Leans on private parts of Ray, whose version is locked: where they are gone, Ray starts as it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

_STARTER, _CLUSTER = "start_api_server", "ENABLE_RAY_CLUSTER"


@contextmanager
def keeping_to_itself() -> Iterator[None]:
    """Has `ray.init` start a node on loopback, without the dashboard's process, while the block lasts."""
    services, constants = _inside("services"), _inside("ray_constants")
    start, cluster = getattr(services, _STARTER, None), getattr(constants, _CLUSTER, None)
    if start is None or cluster is None:
        yield
        return
    setattr(services, _STARTER, lambda *_, **__: (None, None))
    setattr(constants, _CLUSTER, False)
    try:
        yield
    finally:
        setattr(services, _STARTER, start)
        setattr(constants, _CLUSTER, cluster)


def _inside(name: str) -> ModuleType | None:
    """Returns one of Ray's private modules, None where there is no such module."""
    try:
        return import_module(f"ray._private.{name}")
    except ImportError:
        return None
