"""The inside of grpcio and of numba is each used in one package alone."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_GENERATED = _ROOT / "kuntur" / "api" / "v1"
_INSIDE = re.compile(r"grpc\._(?!_)|from grpc import _|_rpc_event|\bcygrpc\b")
_INSIDE_OF_NUMBA = re.compile(
    r"^\s*(from|import) (llvmlite|numba\.(?!typed))|\b_nrt\b|\bintrinsic\(", re.MULTILINE
)
# Calls a function by its address, in a room of its own: that of ONNX Runtime's C table.
_CALLS_BY_ADDRESS = "onnx_c.py"


def _users(inside: re.Pattern[str], besides: str = "") -> set[str]:
    return {
        path.relative_to(_ROOT).parent.as_posix()
        for folder in ("server", "kuntur", "clients", "trainer")
        for path in (_ROOT / folder).rglob("*.py")
        if path.parent != _GENERATED
        and path.name != besides
        and inside.search(path.read_text(encoding="utf-8"))
    }


def test_grpcios_inside_is_used_in_the_core_alone() -> None:
    assert _users(_INSIDE) == {"server/rpc/core"}


def test_numbas_inside_is_used_in_one_folder_alone() -> None:
    assert _users(_INSIDE_OF_NUMBA, besides=_CALLS_BY_ADDRESS) == {"kuntur/compiled/inside"}
