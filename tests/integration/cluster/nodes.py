"""A Ray cluster of several nodes on this machine, and which of its nodes are at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from ray.cluster_utils import Cluster

from tests.integration.trainer.searching import OBJECT_STORE_BYTES

WORKERS = 2
# A killed node refuses connections at once; Ray looks five times, by itself every three seconds.
_NOTICING = {"health_check_period_ms": 500, "health_check_initial_delay_ms": 0}


def add_worker(cluster: Cluster) -> None:
    """Adds a node of one core."""
    cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)


def start() -> Cluster:
    """Starts a head without cores, where the driver is, and nodes of one core each."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "_system_config": _NOTICING,
        },
    )
    for _ in range(WORKERS):
        add_worker(cluster)
    return cluster


def at_work(cluster: Cluster, doing: str = "ImplicitFunc") -> list:
    """Returns the nodes on which a process of a trial is alive; doing: what its title has to tell."""
    return [
        node
        for node in cluster.worker_nodes
        if any(doing in title for title in map(_title, _processes(node)))
    ]


@contextmanager
def losing_a_node(cluster: Cluster, doing: str = "ImplicitFunc.train") -> Iterator[list]:
    """Kills the first node that is seen at such work and gives it; adds another in the end."""
    killed: list = []
    over = threading.Event()

    def watch() -> None:
        while not killed and not over.wait(0.02):
            # So a process is named while its trial runs, and not while it starts or waits for one.
            for node in at_work(cluster, doing)[:1]:
                killed.append(node)
                cluster.remove_node(node, allow_graceful=False)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield killed
    finally:
        over.set()
        watcher.join()
        if killed:
            add_worker(cluster)


def _processes(node: object) -> list[psutil.Process]:
    (raylet,) = node.all_processes["raylet"]
    return psutil.Process(raylet.process.pid).children(recursive=True)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
