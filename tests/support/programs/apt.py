"""Installs programs that tests need and a machine lacks."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path


def installed(package: str, find: Callable[[], Path | None]) -> Path | None:
    """Returns what is found of a package, after apt has installed it where that is needed and possible."""
    if (found := find()) is not None:
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    # apt refuses to work beside itself, and `make test` runs several processes.
    with (Path(tempfile.gettempdir()) / "kuntur-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (found := find()) is not None:
            return found
        for command in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(
                ["apt-get", *command],
                check=False,
                capture_output=True,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
            )
    return find()


def installed_program(package: str, *names: str) -> Path | None:
    """Returns the path of a program, as `installed` does; names: under which it may be found."""

    def find() -> Path | None:
        return next((Path(found) for name in names or (package,) if (found := shutil.which(name))), None)

    return installed(package, find)
