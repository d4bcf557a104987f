"""`kuntur-server` whose history is not made anew before a file is there: the one that a variable names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server.host.signals import hold_stop_signals

VARIABLE = "HELD_UNTIL"


def _run() -> None:
    from kuntur.journal.v1 import journal_pb2
    from server.__main__ import main
    from server.journal import JournalWriter

    entries_from = JournalWriter.entries_from

    def held(self: JournalWriter, sequence: int) -> Iterator[Any]:
        while not Path(os.environ[VARIABLE]).exists():
            time.sleep(0.01)
            yield journal_pb2.Entry()  # one that says nothing
        yield from entries_from(self, sequence)

    JournalWriter.entries_from = held  # type: ignore[method-assign]
    main()


if __name__ == "__main__":
    hold_stop_signals()  # as the command does, before a library starts a thread
    _run()
