"""`python -m tests.support.programs.signing FOLDER`: signs what a file of leaf hashes says, until SIGTERM.

FOLDER holds `keys/` and `leaves`, 32 bytes an entry, to which the test appends.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from kuntur.transparency.signing.checkpointer import LogPlan
from kuntur.transparency.signing.run import Rhythm, run
from kuntur.transparency.tree.hashing import HASH_BYTES, Hashes, rows


def main(folder: Path) -> None:
    """Runs the signing process of a journal that is only its leaf hashes."""

    def leaves(index: int) -> Hashes:
        with (folder / "leaves").open("rb") as file:
            file.seek(index * HASH_BYTES)
            content = file.read(1000 * HASH_BYTES)
        return rows(content[: len(content) // HASH_BYTES * HASH_BYTES])

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run(
        LogPlan(folder / "tree", folder / "keys", (folder / "elsewhere",)),
        leaves,
        stop,
        rhythm=Rhythm(interval_s=0.01, poll_s=0.001),
        tell=lambda sentence: sys.stderr.write(f"{sentence}\n"),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
