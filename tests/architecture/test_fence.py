"""What is private, or below Python, is used in named rooms, and docs/dependencies.md says what takes over.

A new fence is a row of `FENCES`; each of its rooms is named in that page.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PROGRAMS = ("kuntur", "server", "trainer", "clients")
_GENERATED = {_ROOT / "kuntur" / "api" / "v1", _ROOT / "kuntur" / "journal" / "v1"}

FENCES = {
    "grpcio's inside": (r"grpc\._(?!_)|from grpc import _|_rpc_event|\bcygrpc\b", {"server/rpc/core/"}),
    "numba's inside": (
        r"^\s*(from|import) (llvmlite|numba\.(?!typed))|\b_nrt\b|\bintrinsic\(",
        {"kuntur/compiled/inside/", "server/models/onnx_c.py"},  # which calls a function by its address
    ),
    "the C table of ONNX Runtime": (r"OrtGetApiBase|libonnxruntime", {"server/models/onnx_c.py"}),
    "how glibc keeps a mutex": (r"pthread_mutex", {"server/state/region/mutex.py"}),
    "malloc_trim of glibc": (r"\.malloc_trim", {"server/host/free_memory.py"}),
    "prctl of Linux": (r"\.prctl\b", {"kuntur/confined/limits.py", "server/host/confidential.py"}),
    "a handler of SIGBUS": (r"signal\.SIGBUS", {"server/host/bus_error.py"}),
    "classes and priorities of Linux's scheduler": (
        r"\bos\.(sched_[gs]etscheduler|SCHED_|[gs]etpriority|nice\()",
        {"kuntur/confined/limits.py", "server/host/scheduling.py"},
    ),
    "C by ctypes": (
        r"^\s*(import ctypes|from ctypes)",
        {
            "kuntur/confined/limits.py",
            "server/host/bus_error.py",
            "server/host/confidential.py",
            "server/host/free_memory.py",
            "server/models/onnx_c.py",
            "server/rpc/core/rehearsal.py",
            "server/state/region/mutex.py",
        },
    ),
}
"""What is fenced: a pattern that its users match, and the rooms, folders with a slash, that may use it."""


def _users(pattern: str) -> set[str]:
    found = re.compile(pattern, re.MULTILINE)
    return {
        path.relative_to(_ROOT).as_posix()
        for program in _PROGRAMS
        for path in (_ROOT / program).rglob("*.py")
        if path.parent not in _GENERATED and found.search(path.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("what", FENCES)
def test_what_is_private_is_used_in_its_room_alone(what: str) -> None:
    pattern, rooms = FENCES[what]
    users = _users(pattern)
    outside = {user for user in users if not any(_within(user, room) for room in rooms)}
    assert outside == set()
    assert {room for room in rooms if any(_within(user, room) for user in users)} == rooms, "an empty room"


@pytest.mark.parametrize("room", sorted({room for _, rooms in FENCES.values() for room in rooms}))
def test_each_room_is_in_the_page_of_dependencies(room: str) -> None:
    assert f"`{room.rstrip('/')}`" in (_ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")


def _within(user: str, room: str) -> bool:
    return user.startswith(room) if room.endswith("/") else user == room
