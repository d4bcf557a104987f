"""Which transport serves, and what becomes of a server whose transport fails."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.errors import TransportError
from server.rpc.core import inside, rehearsal
from tests.support.bundles import publish_constant
from tests.support.serving import running_server

_DYING = """
import sys
from pathlib import Path
import grpc
from server.host.signals import hold_stop_signals
hold_stop_signals()
from server.app import ServerApp
from server.rpc.core import polling
from tests.support.serving import settings_for, stubs_for, transaction, unary

def fail(*_):
    raise RuntimeError("not as tested")

app = ServerApp(settings_for(Path(sys.argv[1])))
polling._forget = fail
app.start()
with stubs_for(f"127.0.0.1:{app.port}") as stubs:
    call = stubs.scoring.ScoreTransaction.future(unary(transaction("t-1")))  # kept, or it would be cancelled
    app.serve_until_signalled()
"""

_ANSWERS = ["score of a", "scores of b", "scores of c"]
# Attributes of what the declared names lead to.
_UNDECLARED = tuple(
    f"grpc._server.{name}"
    for name in (
        "rpc_states",
        "stage",
        "completion_queue",
        "server_deallocated",
        "registered_method_handlers",
    )
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("choice") / "registry"
    publish_constant(directory, "m-1", 0.1)
    return directory


@pytest.fixture(scope="module")
def without_a_name() -> dict[str, Any]:
    """What a server did, by the name inside grpcio that it had to do without."""
    names = [f"{module}.{name}" for module, name in inside.NAMES] + list(_UNDECLARED)
    command = [sys.executable, "-m", "tests.support.grpcio.other", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["name"]: one for one in found}


@pytest.mark.parametrize("name", [f"{module}.{name}" for module, name in inside.NAMES])
def test_without_any_name_of_the_inside_the_server_starts_the_plain_way_and_answers(
    without_a_name: dict[str, Any], name: str
) -> None:
    assert without_a_name[name] == {
        "name": name,
        "answers": _ANSWERS,
        "transports": ["plain"],
        "warnings": [f"{name} is not there"],
    }


@pytest.mark.parametrize("name", _UNDECLARED)
def test_without_an_attribute_that_only_a_rehearsal_can_miss_the_server_does_the_same(
    without_a_name: dict[str, Any], name: str
) -> None:
    found = without_a_name[name]
    assert (found["answers"], found["transports"]) == (_ANSWERS, ["plain"]), found
    (why,) = found["warnings"]
    assert "rehearsal" in why


def test_the_inside_that_the_fast_transport_uses_is_declared() -> None:
    aliases = {"grpcio": "grpc._server", "cygrpc": "grpc._cython.cygrpc"}
    used = set()
    for path in Path(inside.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id in aliases:
                    used.add((aliases[node.value.id], node.attr))
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("grpc._"):
                used |= {(str(node.module), alias.name) for alias in node.names} - {
                    ("grpc._cython", "cygrpc")
                }
    assert used <= set(inside.NAMES)
    assert {name for _, name in inside.NAMES} - {name for _, name in used} == {"Server"}


def test_a_fast_transport_that_answers_wrongly_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rehearsal.failure() is None
    monkeypatch.setattr(rehearsal, "_echo", lambda *_: b"another")
    assert rehearsal.failure() == "its answers in a rehearsal were wrong"


def test_fast_refuses_to_start_where_it_cannot_be_had(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "TESTED", ("0.1.",))
    with pytest.raises(TransportError, match="was not tested"):
        running_server(registry, rpc={"transport": "fast"}).__enter__()


def test_a_server_whose_polling_thread_fails_ends_with_a_status_and_a_line(registry: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DYING, str(registry)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 70, done.stderr[-2000:]
    assert "the thread that takes up calls failed" in done.stdout + done.stderr
