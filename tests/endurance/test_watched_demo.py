"""What `make demo` does beside what it shows: which files its programs write, and to whom they connect."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs.watched import DEVICES, ROUTE, WatchedProcess, environment_of_ray, kept_compiled

_LONGEST_S = 3_000.0


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files with a short name: a socket of Ray below it has 107 bytes for its own."""
    with tempfile.TemporaryDirectory(prefix="k") as made:
        yield Path(made)


@pytest.mark.timeout(_LONGEST_S + 60)
def test_the_demonstration_writes_what_the_docs_name_and_connects_to_nobody(
    tmp_path: Path, temporary: Path
) -> None:
    home, cache = tmp_path / "home", kept_compiled()
    home.mkdir()
    env = environment_of_ray(home, temporary, cache)
    log = tmp_path / "log"
    with (
        log.open("wb") as out,
        WatchedProcess(
            [sys.executable, "-m", "demo"], tmp_path / "trace", cwd=tmp_path, env=env, log=out
        ) as demo,
    ):
        assert demo.wait(_LONGEST_S) == 0, log.read_text()
        seen = demo.seen()
    named = (temporary, tmp_path / "demo-run", cache)
    of_ray_and_matplotlib = (home / ".ray", home / ".config", home / ".cache" / "matplotlib")
    assert tmp_path / "demo-run" / "server.log" in seen.written  # it was watched
    assert seen.written_outside(*named, *of_ray_and_matplotlib, *DEVICES) <= {home / ".cache"}
    assert seen.strangers() <= {ROUTE}
