"""The Ray that work runs on: one that is there, or one of this machine for as long as it is needed."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainer.cluster.quiet import keeping_to_itself
from trainer.settings.searching import RaySettings

_REACHABLE_S = 10.0
# Ray asks a server that does not answer as Ray's does so many times, about 40 seconds each; its own 20 would
# be a quarter of an hour.
_ATTEMPTS = {"RAY_gcs_server_port_wait_time_s": "1"}
_STARTS = 3  # Ray gives each part of its own start a time, which a busy machine can exceed
_TOO_LONG = ("timed out during startup", "Timed out waiting for file")


class ClusterError(RuntimeError):
    """Ray cannot be reached, or cannot run what is asked of it."""


@contextmanager
def connected(settings: RaySettings) -> Iterator[None]:
    """Connects to a Ray cluster, or starts one on this machine; within another `connected` it does neither.

    Raises ClusterError.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "120")  # on a busy machine its start takes long
    # Tune's own handler ends a search as if it were done; without it an interrupt is an interrupt.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    import ray

    if ray.is_initialized():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _start(settings)
    try:
        yield
    finally:
        ray.shutdown()


def _start(settings: RaySettings) -> None:
    import ray

    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    try:
        if settings.address is None:
            options |= {"include_dashboard": False, "object_store_memory": settings.object_store_bytes}
            _start_here(options)
            return
        if settings.ship_code:
            options["runtime_env"] = {"py_modules": _packages()}
        address = _reachable(settings.address)
        with _environment(_ATTEMPTS):
            ray.init(address=address, **options)
    except ClusterError:
        raise
    except (ValueError, RuntimeError, OSError, ray.exceptions.RayError) as error:
        raise ClusterError(f"Ray at {settings.address or 'this machine'}: {error}") from error


def _start_here(options: dict[str, Any]) -> None:
    import ray

    for left in reversed(range(_STARTS)):
        try:
            with keeping_to_itself():
                ray.init(address="local", **options)
        except Exception as error:
            # Ray has no type of its own for it; what it started by then ends with this process.
            if not any(words in str(error) for words in _TOO_LONG):
                raise
            if not left:
                raise ClusterError(
                    f"Ray did not start on this machine in {_STARTS} attempts: "
                    "try again when the machine is less busy, or give the address of a cluster"
                ) from error
        else:
            return


def _packages() -> list[str]:
    """Returns the folders of code that tasks and trials import."""
    import kuntur

    return [str(Path(__file__).parents[1]), str(Path(kuntur.__path__[0]))]


def _reachable(address: str) -> str:
    """Returns host:port of a cluster's head where something listens. Raises ClusterError."""
    from ray._private.services import canonicalize_bootstrap_address

    if "://" in address:
        raise ClusterError(
            f"{address} is of Ray's client, on which a search could not be resumed: start the trainer on a "
            "node of the cluster, such as the head, and give HOST:PORT of the head (6379 by default) or auto"
        )
    found: str | None = canonicalize_bootstrap_address(address)
    if found is None:
        raise ClusterError(f"{address} is not the address of a cluster: give HOST:PORT of its head, or auto")
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHABLE_S).close()
    except OSError as error:
        raise ClusterError(
            f"nothing answers at {found} ({error}): is the cluster up, and is that the port of its head "
            "(`ray start --head` says it; 6379 by default)?"
        ) from error
    return found


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def require_cpus(cpus_per_trial: int) -> None:
    """Raises ClusterError when no node has so many cores: Ray would wait for one without end."""
    largest = max(_cores(), default=0)
    if cpus_per_trial > largest:
        raise ClusterError(
            f"search.cpus_per_trial is {cpus_per_trial}, and the largest node of the cluster has "
            f"{largest:g} cores: no trial could start"
        )


def concurrent_trials(cpus_per_trial: int) -> int:
    """Returns how many trials of so many cores the nodes can run at once."""
    return sum(int(cores // cpus_per_trial) for cores in _cores())


def _cores() -> list[float]:
    import ray

    return [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
