"""What the compiler does, for the command that compiles ahead and for the log of a start that has to wait."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import structlog

from kuntur.compiled import chosen_places, tally, watch

_LOG = structlog.get_logger(__name__)
_TOLD_EVERY_S = 5.0


def run_everything() -> None:
    """Runs each compiled function of the server as serving does."""
    from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
    from kuntur.wire import TransactionReader
    from server.rpc import compile_hot_path

    compile_hot_path(TransactionReader(secret_from_hex(DEFAULT_HASH_KEY)))
    _run_what_is_rare()


def _run_what_is_rare() -> None:
    """Runs what is needed only for a file, after a crash or damage, or for a history in Redis."""
    from kuntur.history import held, recent
    from kuntur.history.scratch import RECORD_WORDS, Scratch
    from kuntur.records import table
    from server.state import HistorySizes, Region

    sizes = HistorySizes(accounts=4, merchants=4, devices=4, categories=4, recent_transactions=4)
    region = Region.create(sizes)
    region.recover()
    region.mend(say=False)
    history = region.history
    for part in (*history.tables, history.recent, history.held):
        part[0] ^= 1
    for memory, header_words in (
        (history.tables[0], table.HEADER_WORDS),
        (history.recent, recent.HEADER_WORDS),
    ):
        memory[header_words] = 1  # an entry of the index that leads to nothing
    region.mend(say=False)
    table.record_start(history.tables[0], 0)
    recent.seal_record(history.recent, int(recent.start_of(history.recent, 0)), history.undo)
    held.write_seal(history.held, 0)
    region.close()
    scratch = Scratch(capacity=4)
    for kind, words in enumerate(RECORD_WORDS):
        scratch.bring_in(kind, np.zeros((0, 1 + words), dtype=np.int64))
        scratch.records(kind)
    held.is_due(np.frombuffer(scratch.held.tobytes(), dtype=np.int64), 0)  # read-only, as Redis answers
    scratch.clear()


def tell_ready() -> None:
    """Logs where the compiled functions of this process came from."""
    counts, settled = tally(), chosen_places()
    kept = settled.kept(create=False)
    _LOG.info(
        "compiled functions ready",
        found=counts.found,
        compiled=counts.compiled,
        ahead=str(settled.ahead) if settled.ahead else None,
        kept=str(kept) if kept else None,
    )


@cache
def watch_compiler() -> None:
    """Logs from now on that functions are being compiled: with the first one, then every few seconds."""
    watch(_CompilerLog().begins)


class _CompilerLog:
    def __init__(self) -> None:
        self._began = self._told = 0.0

    def begins(self, name: str) -> None:
        now = time.monotonic()
        if not self._began:
            self._began = self._told = now
            _LOG.info(
                "compiling functions that were not found on disk for this code and processor: about a minute "
                "if none was; `kuntur-server compile` does it ahead",
                function=name,
            )
        elif now - self._told >= _TOLD_EVERY_S:
            self._told = now
            _LOG.info("compiling", function=name, functions=tally().compiled)
