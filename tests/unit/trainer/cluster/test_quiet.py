from __future__ import annotations

from typing import Any

import pytest
from ray._private import ray_constants, services

from trainer.cluster import quiet


def state() -> tuple[Any, Any]:
    return services.start_api_server, ray_constants.ENABLE_RAY_CLUSTER


def test_ray_starts_without_the_dashboards_process_and_alone_while_the_block_lasts() -> None:
    before = state()
    with quiet.keeping_to_itself():
        starter, cluster = state()
        assert starter(include_dashboard=False) == (None, None)
        assert cluster is False
    assert state() == before
    assert starter is not before[0]


def test_a_start_that_fails_leaves_ray_as_it_was() -> None:
    before = state()
    with pytest.raises(OSError, match="full"), quiet.keeping_to_itself():
        raise OSError("full")
    assert state() == before


def test_a_ray_without_these_private_parts_starts_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> Any:
        raise ImportError(name)

    before = state()
    monkeypatch.setattr(quiet, "import_module", gone)
    with quiet.keeping_to_itself():
        assert state() == before
    monkeypatch.undo()
    monkeypatch.delattr(ray_constants, "ENABLE_RAY_CLUSTER")
    with quiet.keeping_to_itself():
        assert services.start_api_server is before[0]
