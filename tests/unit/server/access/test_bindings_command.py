from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server.cli.app import app

_BINDINGS = """
[[binding]]
identities = ["spiffe://andino.pe/core/*"]
roles = ["score", "report_outcomes"]
institutions = ["banco-andino", "caja-sur"]

[[binding]]
identities = ["token:desk"]
roles = ["read_models"]
"""


@pytest.fixture
def bindings(tmp_path: Path) -> Path:
    path = tmp_path / "bindings.toml"
    path.write_text(_BINDINGS)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bindings", *map(str, arguments)])


def test_a_sound_file_is_told_so(bindings: Path) -> None:
    done = run(bindings)
    assert (done.exit_code, "2 identities and patterns are bound" in done.output) == (0, True)


def test_it_tells_what_an_identity_may_do(bindings: Path) -> None:
    done = run(bindings, "spiffe://andino.pe/core/7")
    assert done.exit_code == 0
    assert "the roles report_outcomes, score" in done.output
    assert "It acts for 'banco-andino', 'caja-sur'" in done.output
    assert "It may call kuntur.api.v1.ScoringService/ScoreTransaction" in done.output
    assert "Backfill" not in done.output
    desk = run(bindings, "token:desk")
    assert "acts for" not in desk.output


def test_a_stranger_is_bound_to_nothing(bindings: Path) -> None:
    done = run(bindings, "token:stranger")
    assert (done.exit_code, done.output) == (1, "token:stranger is bound to nothing\n")


def test_each_fault_has_a_line(bindings: Path) -> None:
    bindings.write_text(_BINDINGS.replace('"read_models"', '"score"').replace("token:desk", "desk"))
    done = run(bindings)
    assert done.exit_code == 1
    assert "binding.1.identities: 'desk' should begin with" in done.output


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run(tmp_path / "none.toml")
    assert (done.exit_code, "No such file" in done.output) == (2, True)
