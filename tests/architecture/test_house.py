"""What the house rules promise and no linter sees."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from kuntur.features.document import render

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["kuntur", "server", "trainer", "clients"])
def test_a_package_of_ours_is_not_one_of_the_same_name_from_elsewhere(name: str) -> None:
    assert Path(str(importlib.import_module(name).__file__)).is_relative_to(_ROOT)


def test_the_page_of_features_is_that_of_the_catalogue() -> None:
    assert (_ROOT / "docs" / "features.md").read_text(encoding="utf-8") == render()


def test_docker_is_no_package() -> None:
    assert not (_ROOT / "docker" / "__init__.py").exists()


@pytest.mark.parametrize("program", ["server", "trainer", "clients"])
def test_help_of_each_program_loads_nothing_heavy(program: str) -> None:
    heavy = "{'ray', 'xgboost', 'sklearn', 'onnxruntime', 'numba'}"
    code = (
        f"import sys; from {program}.__main__ import main\n"
        "try:\n    sys.argv = ['program', '--help']; main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"found = {heavy} & set(sys.modules)\nassert not found, found"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_no_source_file_has_grown_beyond_a_screenful_of_jobs() -> None:
    long = {
        str(path.relative_to(_ROOT)): lines
        for folder in ("kuntur", "server", "trainer", "clients", "demo", "bench")
        for path in (_ROOT / folder).rglob("*.py")
        if "_pb2" not in path.name
        and not path.is_relative_to(_ROOT / "bench" / "work")
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long
