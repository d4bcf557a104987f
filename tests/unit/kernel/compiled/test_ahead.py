"""Functions compiled ahead: found by every start that they fit, compiled anew by every other.

Each start is a process of its own, on a copy of the kernel, with two small functions instead of the kernel's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import kuntur
from kuntur.compiled.processor import baseline, lacking

_BASELINE = baseline()
pytestmark = pytest.mark.skipif(
    _BASELINE is None or bool(lacking(_BASELINE)), reason="nothing can be compiled ahead on this processor"
)

_FUNCTIONS = """
from kuntur.compiled.native import native
@native
def double(x):
    return x + x
@native
def quadruple(x):
    return double(double(x))
"""
_START = """
import json, logging, sys
warned = []
class Handler(logging.Handler):
    def emit(self, record):
        warned.append(record.getMessage())
logging.getLogger("kuntur").addHandler(Handler())
{first}
from kuntur.compiled import chosen_places, tally, watch
begun = []
watch(begun.append)
from functions import quadruple
assert quadruple(3) == 12
counts = tally()
print(json.dumps({{
    "found": counts.found, "compiled": counts.compiled, "begun": begun, "warned": warned,
    "ahead": chosen_places().ahead is not None,
}}))
"""
_AHEAD = """
import sys
from kuntur.compiled import CompileError, compile_ahead
def run():
    from functions import quadruple
    assert quadruple(3) == 12
try:
    print(compile_ahead(run, check="--check" in sys.argv, say=print).told())
except CompileError as error:
    sys.exit(str(error))
"""
_ANOTHER_MODEL = """
import llvmlite.binding as llvm
features = llvm.get_host_cpu_features()
features["sse4a"] = not features["sse4a"]
llvm.get_host_cpu_name = lambda: "znver1"
llvm.get_host_cpu_features = lambda: features
"""


@dataclass(frozen=True)
class Installation:
    """A copy of the kernel, and the two functions."""

    folder: Path

    def copy(self, folder: Path) -> Installation:
        """Returns another one, elsewhere and with other times of files."""
        shutil.copytree(self.folder, folder / "elsewhere")
        for path in (folder / "elsewhere").rglob("*.py"):
            os.utime(path, (1, 1))
        return Installation(folder / "elsewhere")

    def files(self) -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in self.folder.rglob("*") if path.is_file()}

    def made_ahead(self) -> list[Path]:
        return sorted((self.folder / "kuntur" / "__compiled__").rglob("*.nbc"))

    def python(self, code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        clean |= {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment
        return subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments],
            env=clean,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, kept: Path, first: str = "", **environment: str) -> dict[str, Any]:
        """Starts a program that keeps what it compiles in a folder; first: code that it begins with."""
        done = self.python(_START.format(first=first), NUMBA_CACHE_DIR=str(kept), **environment)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    leave_out = shutil.ignore_patterns("__pycache__", "__compiled__")
    shutil.copytree(Path(str(kuntur.__file__)).parent, folder / "kuntur", ignore=leave_out)
    (folder / "functions.py").write_text(_FUNCTIONS)
    installation = Installation(folder)
    checked = installation.python(_AHEAD, "--check")
    assert checked.returncode != 0
    assert "nothing was compiled ahead" in checked.stderr
    done = installation.python(_AHEAD)
    assert done.returncode == 0, done.stderr
    assert "2 of them compiled now" in done.stdout
    return installation


def test_a_start_on_another_processor_in_another_place_finds_all_and_writes_nothing(
    compiled: Installation, tmp_path: Path
) -> None:
    moved = compiled.copy(tmp_path)
    before = moved.files()
    started = moved.start(tmp_path / "kept", _ANOTHER_MODEL)
    assert started == {"found": 1, "compiled": 0, "begun": [], "warned": [], "ahead": True}
    assert moved.files() == before
    assert not (tmp_path / "kept").exists()


def test_whoever_names_a_processor_gets_code_for_it_once(compiled: Installation, tmp_path: Path) -> None:
    named = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    first = compiled.start(tmp_path / "kept", **named)
    assert (first["ahead"], first["compiled"]) == (False, 2)
    assert first["begun"] == ["functions.quadruple", "functions.double"]
    again = compiled.start(tmp_path / "kept", **named)
    assert (again["found"], again["compiled"]) == (1, 0)


def test_numba_that_was_imported_first_compiles_for_the_processor_it_runs_on(
    compiled: Installation, tmp_path: Path
) -> None:
    first = compiled.start(tmp_path / "kept", "import numba")
    assert (first["ahead"], first["compiled"]) == (False, 2)


def test_damaged_files_are_compiled_anew_and_said(compiled: Installation, tmp_path: Path) -> None:
    damaged = compiled.copy(tmp_path)
    for path in damaged.made_ahead():
        path.write_bytes(path.read_bytes()[:100])
    started = damaged.start(tmp_path / "kept")
    assert started["compiled"] == 2
    assert started["warned"]
    assert all("cannot be read" in line for line in started["warned"])
    assert damaged.start(tmp_path / "kept")["compiled"] == 0


def test_nothing_is_kept_where_nothing_can_be_written(compiled: Installation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    started = compiled.start(tmp_path / "file", NUMBA_CPU_NAME="generic")
    assert started["compiled"] == 2


def test_a_folder_that_cannot_be_written_is_named(compiled: Installation, tmp_path: Path) -> None:
    blocked = compiled.copy(tmp_path)
    shutil.rmtree(blocked.folder / "kuntur" / "__compiled__")
    (blocked.folder / "kuntur" / "__compiled__").write_text("in the way")
    done = blocked.python(_AHEAD)
    assert done.returncode == 1
    assert re.fullmatch(
        r"compiled functions are kept beside the code, and \S+/__compiled__/\S+ cannot be written: .+\n",
        done.stderr,
    )


def test_other_sources_are_compiled_anew_and_the_former_forgotten(
    compiled: Installation, tmp_path: Path
) -> None:
    changed = compiled.copy(tmp_path)
    with (changed.folder / "kuntur" / "rules.py").open("a") as source:
        source.write("\n# edited\n")
    former = changed.made_ahead()
    checked = changed.python(_AHEAD, "--check")
    assert checked.returncode != 0
    assert "run the command without --check" in checked.stderr
    done = changed.python(_AHEAD)
    assert done.returncode == 0, done.stderr
    assert len(changed.made_ahead()) == len(former)
    assert not set(changed.made_ahead()) & set(former)


def test_without_the_inside_of_numba_its_own_cache_serves(compiled: Installation, tmp_path: Path) -> None:
    first = (
        "import kuntur, numba.core.caching as caching\n"
        "inside = caching.CompileResultCacheImpl\n"
        "del caching.CompileResultCacheImpl\n"
        "import kuntur.compiled.native\n"
        "caching.CompileResultCacheImpl = inside"
    )
    started = compiled.start(tmp_path / "kept", first)
    assert (started["found"], started["compiled"]) == (0, 2)
    again = compiled.start(tmp_path / "kept", first)
    assert (again["found"], again["compiled"]) == (1, 0)
