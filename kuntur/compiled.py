"""Where compiled functions are kept between runs: in a folder of their own for each state of the sources.

Numba looks only at the file of the function that it is asked for, not at those it calls. After an edit of
`windows.py` it would go on using a `kernel.py` compiled with the old windows; a new folder forgets both.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

_VARIABLE = "NUMBA_CACHE_DIR"


def choose_cache() -> None:
    """Sets NUMBA_CACHE_DIR unless it is set: below XDG_CACHE_HOME, ~/.cache or the temporary folder."""
    if os.environ.get(_VARIABLE):
        return
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        if not source.name.endswith(("_pb2.py", "_pb2_grpc.py")):
            digest.update(source.read_bytes())
    for root in _roots():
        path = root / "kuntur" / f"compiled-{digest.hexdigest()[:16]}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(path, os.W_OK):
            os.environ[_VARIABLE] = str(path)
            return


def _roots() -> list[Path]:
    roots = [Path(os.environ[name]) for name in ("XDG_CACHE_HOME",) if os.environ.get(name)]
    with contextlib.suppress(RuntimeError):  # an account without a home
        roots.append(Path.home() / ".cache")
    return [*roots, Path(tempfile.gettempdir())]
