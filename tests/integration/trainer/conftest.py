"""One Ray for the tests of the trainer that change nothing of it: each start of one takes some seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ray.cluster_utils import Cluster

from tests.integration.trainer.searching import OBJECT_STORE_BYTES


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Address of a Ray of two cores."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 2,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        },
    )
    yield cluster.address
    cluster.shutdown()
