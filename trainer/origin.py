"""What a result came from: the revision of the code and the versions of the libraries."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = (
    "kuntur", "hyperopt", "imbalanced-learn", "numba", "numpy", "onnx", "onnxmltools", "onnxruntime",
    "optuna", "polars", "ray", "scikit-learn", "skl2onnx", "tzdata", "xgboost",
)  # fmt: skip


def library_versions() -> dict[str, str]:
    """Returns the versions of the libraries that built the model."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_revision(root: Path = Path(__file__).parent) -> str:
    """Returns the revision of the code below `root`, by default of this code.

    With `-dirty` when it was changed; empty outside git.
    """
    # Not `git describe --dirty`, which writes the index that it refreshes.
    revision = _git(root, "rev-parse", "HEAD")
    if not revision:
        return ""
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{revision}-dirty" if changed else revision


def _git(root: Path, *arguments: str) -> str:
    """Returns what a command of git writes; empty where it fails. It leaves the repository as it is."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
