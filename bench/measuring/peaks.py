"""A command run to its end: how long it took, and the most memory that it and its processes held."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measuring.processes import rss_bytes
from trainer.memory import family, high_water_bytes, resident_bytes

_LOOK_S = 0.5
_LOOKS_A_SUM = 10  # the sum goes through all pages of all processes, so it is taken less often
_LAST_LINES = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """What a command took.

    seconds: of the wall clock; main_bytes: the most memory that its own process held, by Linux's mark;
    worker_bytes: the most that one of the processes held that it started, without what they share;
    all_bytes: the most that all of them held together, what they share counted once.
    """

    seconds: float
    main_bytes: int
    worker_bytes: int
    all_bytes: int


def watched(command: Sequence[str], *, directory: Path, environment: Mapping[str, str], log: Path) -> Taken:
    """Runs a command in a directory and watches it; ends the program where the command fails.

    environment: beside that of this process; log: file for what the command says.
    """
    main = worker = together = looks = 0
    began = time.monotonic()
    with log.open("wb") as told:
        process = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **environment}, stdout=told, stderr=told
        )
        try:
            while process.poll() is None:
                main = max(main, high_water_bytes(process.pid))
                others = family(process.pid)[1:]
                worker = max([worker, *(resident_bytes(pid, shared=False) for pid in others)])
                if looks % _LOOKS_A_SUM == 0:
                    together = max(together, rss_bytes(process.pid))
                looks += 1
                time.sleep(_LOOK_S)
        except BaseException:
            process.terminate()
            raise
    seconds = time.monotonic() - began
    if process.returncode:
        said = "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
        sys.exit(f"{' '.join(command)} ended with {process.returncode}; {log} says:\n{said}")
    return Taken(seconds, main, worker, max(together, main))
