"""A Ray cluster of several nodes on this machine, and which of its nodes are at work."""

from __future__ import annotations

import psutil
from ray.cluster_utils import Cluster

from tests.integration.trainer.searching import OBJECT_STORE_BYTES

WORKERS = 2


def add_worker(cluster: Cluster) -> None:
    """Adds a node of one core."""
    cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)


def start() -> Cluster:
    """Starts a head without cores, where the driver is, and nodes of one core each."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False},
    )
    for _ in range(WORKERS):
        add_worker(cluster)
    return cluster


def at_work(cluster: Cluster) -> list:
    """Gives the nodes on which a process of a trial is alive."""
    return [
        node
        for node in cluster.worker_nodes
        if any("ImplicitFunc" in title for title in map(_title, _processes(node)))
    ]


def _processes(node: object) -> list[psutil.Process]:
    (raylet,) = node.all_processes["raylet"]
    return psutil.Process(raylet.process.pid).children(recursive=True)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
