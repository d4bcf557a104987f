from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs.server_process import ServerProcess
from tests.support.serving import wait_until


@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_that_has_to_compile_says_so_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")  # nothing was compiled for it, neither ahead nor here
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    with ServerProcess("--registry", str(tmp_path), workers=workers) as process:
        wait_until(lambda: process.wrote("compiling functions that were not found on disk"))
        assert not process.wrote("server started")
        process.send(9)
