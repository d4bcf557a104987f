"""`python -m tests.fuzzing.reading_again READER FOLDER`: the reader as it is served reads what a fuzzer kept.

Without the fuzzer's counters and memory, and with compiled code where there is some: so it is also measured
here what the reader takes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzzing.readers import READERS


@dataclass(slots=True)
class ReadAgain:
    """What it came to. grown_mb: memory beyond that of the process before; slowest_s: of one input."""

    grown_mb: float = 0.0
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)


def read_again(name: str, folder: Path) -> ReadAgain:
    """Reads every file of a folder, in this process."""
    harness = next(each for each in READERS if each.name == name).harness()
    for seed in harness.seeds():
        harness.check(seed)
    before, result = _peak_mb(), ReadAgain()
    for path in sorted(folder.iterdir()):
        began = time.monotonic()
        try:
            harness.check(path.read_bytes())
        except Exception as error:
            result.failures.append(f"{path}: read again: {error!r}")
        result.slowest_s = max(result.slowest_s, time.monotonic() - began)
    result.grown_mb = _peak_mb() - before
    return result


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(read_again(sys.argv[1], Path(sys.argv[2])))) + "\n")
