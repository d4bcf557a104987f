"""Which tests share a worker: those that start Ray one after the other, the others file by file."""

from __future__ import annotations

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
# Two Rays that start at once on a small machine wait for each other until they give up.
_ONE_AFTER_THE_OTHER = ("e2e", "integration/trainer", "integration/cluster")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def group(item: pytest.Item) -> str:
        path = item.path.relative_to(_TESTS).as_posix()
        return "ray" if path.startswith(_ONE_AFTER_THE_OTHER) else path

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: group(item) != "ray")  # the longest first, beside all others
