"""The two places of compiled functions: what was made ahead beside the code, and what this machine made.

There is a folder for each state of the kernel's sources. Numba looks only at the file of the function that it
is asked for, not at those it calls: after an edit of `windows.py` it would go on using a loop with the old
windows compiled in. A new folder forgets both.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kuntur.compiled.processor import Baseline, baseline, lacking

_KERNEL = Path(__file__).parents[1]
_AHEAD = _KERNEL / "__compiled__"
_CACHE_DIR, _CPU_NAME, _CPU_FEATURES = "NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"


@dataclass(frozen=True, slots=True)
class Places:
    """Where compiled functions are looked for, in this order.

    ahead: the folder of those made ahead, only read; None where there are none for this code and processor;
    roots: folders below which this machine's own are kept, the first that can be used; empty to keep none;
    adds: whether what is missing in `ahead` is added to it.
    """

    ahead: Path | None
    roots: tuple[Path, ...]
    adds: bool = False

    def kept(self, *, create: bool) -> Path | None:
        """Returns the folder of this machine's own; None where there is none.

        create: makes it where it is missing, so that something can be written.
        """
        if self.adds:
            return self.ahead
        for root in self.roots:
            folder = root / f"compiled-{sources_digest()}"
            if create:
                with contextlib.suppress(OSError):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.is_dir() and _ours(root) and (not create or os.access(folder, os.W_OK)):
                return folder
        return None


_chosen: Places | None = None


def choose_places() -> None:
    """Settles where compiled functions are looked for, and for which processor numba compiles.

    Comes before numba is imported, which reads its settings then. Writes nothing.
    """
    global _chosen  # noqa: PLW0603 - of the process, as numba's own settings are
    wanted = baseline()
    ahead = None
    if wanted is not None and _may_set(wanted):
        folder = ahead_folder(wanted)
        if folder.is_dir() and not lacking(wanted):
            compile_for(wanted)
            ahead = folder
    _chosen = Places(ahead, _roots())


def choose_ahead(wanted: Baseline, *, keep: bool) -> Path:
    """Settles that functions are made ahead for a baseline, and returns their folder.

    keep: whether those that are missing are added to it; otherwise nothing is kept. Comes before numba is
    imported. Raises OSError where the folder cannot be made.
    """
    global _chosen  # noqa: PLW0603
    if "numba" in sys.modules:
        raise RuntimeError("numba has been imported: it would compile for this very processor")
    folder = ahead_folder(wanted)
    if keep:
        folder.mkdir(parents=True, exist_ok=True)
    compile_for(wanted)
    _chosen = Places(folder, (), adds=keep)
    return folder


def chosen_places() -> Places:
    """Returns what was settled."""
    if _chosen is None:
        choose_places()
    assert _chosen is not None  # noqa: S101
    return _chosen


def compile_for(wanted: Baseline) -> None:
    """Has numba compile for a baseline, in this process and those that it starts."""
    os.environ[_CPU_NAME], os.environ[_CPU_FEATURES] = wanted.name, wanted.features


def ahead_folder(wanted: Baseline) -> Path:
    """Returns the folder beside the code of what is made ahead for a baseline, which need not be there."""
    return _AHEAD / f"{wanted.name}-{sources_digest()}"


@cache
def sources_digest() -> str:
    """Returns a digest of the kernel's sources."""
    digest = hashlib.sha256()
    for source in sorted(_KERNEL.rglob("*.py")):
        if not source.name.endswith(("_pb2.py", "_pb2_grpc.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _may_set(wanted: Baseline) -> bool:
    """Tells whether numba can be made to compile for a baseline.

    Variables that somebody has set are respected. Once imported, numba has the processor's features already.
    """
    given = os.environ.get(_CPU_NAME), os.environ.get(_CPU_FEATURES)
    return given == (wanted.name, wanted.features) or (given == (None, None) and "numba" not in sys.modules)


def _roots() -> tuple[Path, ...]:
    if given := os.environ.get(_CACHE_DIR):
        return (Path(given),)
    roots = [Path(value) / "kuntur" for name in ("XDG_CACHE_HOME",) if (value := os.environ.get(name))]
    with contextlib.suppress(RuntimeError):  # an account without a home
        roots.append(Path.home() / ".cache" / "kuntur")
    return (*roots, _temporary_root())


def _temporary_root() -> Path:
    # Not `tempfile.gettempdir`: it writes to find out, and fails where nothing can be written.
    return Path(os.environ.get("TMPDIR") or "/tmp") / f"kuntur-{os.geteuid()}"  # noqa: S108


def _ours(root: Path) -> bool:
    """Tells whether code below a root may be run: anybody can put files into the temporary folder."""
    if root != _temporary_root():
        return True
    status = root.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
