"""`make bench-all`: every measurement one after the other, then the plot and the tables of the page.

One that fails is told and does not stop the rest; the exit status says whether all succeeded. Each is a
program of its own, so nothing of one is left in the next.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time

# In order; those that a checkout does not have are left out.
_MEASUREMENTS = (
    ("bench",),
    ("bench.serving.rates",),
    ("bench.costs.options",),
    ("bench.serving.workers",),
    ("bench.costs.scale",),
    ("bench.costs.transparency",),
    ("bench.serving.reloads",),
    ("bench.serving.overload",),
    ("bench.callers",),
    ("bench.serving.transports",),
    ("bench.serving.streams",),
    ("bench.serving.packing",),
    ("bench.serving.soak", "--minutes", "3"),
)
_PAGE = (("bench.plots",), ("bench.document",))
_LONGEST_S = 600.0


def _run(module: str, *arguments: str) -> bool:
    began = time.perf_counter()
    print(f"== {module} {' '.join(arguments)}", flush=True)
    try:
        status = subprocess.run(
            [sys.executable, "-m", module, *arguments], check=False, timeout=_LONGEST_S
        ).returncode
    except subprocess.TimeoutExpired:
        print(f"{module} took longer than {_LONGEST_S:.0f} s", flush=True)
        return False
    print(f"== {module} ended with {status} after {time.perf_counter() - began:.0f} s", flush=True)
    return status == 0


def main() -> None:
    """Runs all."""
    there = [one for one in _MEASUREMENTS if importlib.util.find_spec(one[0]) is not None]
    failed = [one[0] for one in (*there, *_PAGE) if not _run(*one)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
