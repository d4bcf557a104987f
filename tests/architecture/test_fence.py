"""grpcio's inside is used in one package alone."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_GENERATED = _ROOT / "kuntur" / "api" / "v1"
_INSIDE = re.compile(r"grpc\._(?!_)|from grpc import _|_rpc_event|\bcygrpc\b")


def test_grpcios_inside_is_used_in_the_core_alone() -> None:
    users = {
        path.relative_to(_ROOT).parent.as_posix()
        for folder in ("server", "kuntur", "clients", "trainer")
        for path in (_ROOT / folder).rglob("*.py")
        if path.parent != _GENERATED and _INSIDE.search(path.read_text(encoding="utf-8"))
    }
    assert users == {"server/rpc/core"}
