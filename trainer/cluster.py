"""The Ray that a search runs on: one that is there, or one of this machine for as long as it is needed."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainer.config import RaySettings


class ClusterError(RuntimeError):
    """Ray cannot be reached, or cannot run what is asked of it."""


@contextmanager
def connected(settings: RaySettings) -> Iterator[None]:
    """Connects to a Ray cluster, or starts one on this machine. Raises ClusterError."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Tune's own handler ends a search as if it were done; without it an interrupt is an interrupt.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    import ray

    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    if settings.address is None:
        options |= {"include_dashboard": False, "object_store_memory": settings.object_store_bytes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(address=settings.address or "local", **options)
        except (ValueError, RuntimeError, OSError) as error:
            raise ClusterError(f"Ray at {settings.address or 'this machine'}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def require_cpus(cpus_per_trial: int) -> None:
    """Raises ClusterError when no node has so many cores: Ray would wait for one without end."""
    import ray

    largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if cpus_per_trial > largest:
        raise ClusterError(
            f"search.cpus_per_trial is {cpus_per_trial}, and the largest node of the cluster has "
            f"{largest:g} cores: no trial could start"
        )
