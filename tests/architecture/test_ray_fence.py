"""Ray's inside is used in a few modules alone, each by the names that it needs (docs/dependencies.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
# Public by their spelling, yet in no promise of Ray's: where Tune writes what it notes.
_UNPROMISED = {"experiment_driver_staging_path"}

ALLOWED = {
    "trainer/cluster/connection.py": {"ray._private.services"},
    "trainer/cluster/quiet.py": {"ray._private"},
    "trainer/search/methods.py": {"_hpopt_trials"},
    "trainer/search/run.py": {"_local_tuner"},
    "trainer/search/snapshot.py": {"experiment_driver_staging_path"},
}


def imported(node: ast.AST) -> list[str]:
    """Returns the modules and names of an import, dotted; also of one by a string."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("ray._"):
        return [node.value.rstrip(".")]  # for `import_module`
    return []


def inside(source: str) -> Iterator[str]:
    """Yields what a module that imports Ray uses of its inside: private modules and attributes."""
    nodes = list(ast.walk(ast.parse(source)))
    of_ray = [name for node in nodes for name in imported(node) if name.split(".")[0] == "ray"]
    if not of_ray:
        return
    yield from (name for name in of_ray if is_private(name.split(".")[1:]))
    for node in nodes:
        if not isinstance(node, ast.Attribute):
            continue
        own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        if node.attr in _UNPROMISED or (not own and is_private([node.attr])):
            yield node.attr


def is_private(names: list[str]) -> bool:
    return any(name.startswith("_") and not name.endswith("__") for name in names)


def shortest(names: set[str]) -> set[str]:
    """Returns the names without those that lie in another of them."""
    return {name for name in names if not any(name.startswith(f"{other}.") for other in names)}


def test_rays_inside_is_used_where_it_is_listed_and_nowhere_else() -> None:
    users = {
        path.relative_to(_ROOT).as_posix(): shortest(set(inside(path.read_text(encoding="utf-8"))))
        for folder in ("trainer", "kuntur", "server", "clients")
        for path in (_ROOT / folder).rglob("*.py")
    }
    assert {path: names for path, names in users.items() if names} == ALLOWED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import ray._private.worker", {"ray._private.worker"}),
        ("def late():\n    from ray import _raylet", {"ray._raylet"}),
        ("from ray import tune\ntune.Tuner(f)._local_tuner.fit()", {"_local_tuner"}),
        ("import ray\nray._private.worker.global_worker", {"_private"}),
        ("import ray\nclass A:\n    def f(self): return self._own.__dict__", set()),
        ("import_module(f'ray._private.{name}')", {"ray._private"}),
        ("import numpy\nnumpy._core", set()),
    ],
)
def test_the_fence_sees_what_leans_on_the_inside(source: str, found: set[str]) -> None:
    assert shortest(set(inside(source))) == found


def test_the_dependencies_name_every_module_that_leans_on_rays_inside() -> None:
    page = (_ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [path for path in ALLOWED if f"`{path}`" not in page] == []
