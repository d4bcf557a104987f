"""The signing process itself: the only one that reads the keys. It answers no callers and listens nowhere."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from kuntur.journal.proved.leaves import JournalLeaves
from kuntur.transparency.errors import TransparencyError
from kuntur.transparency.notes.checkpoint import SignedCheckpoint
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.signing.checkpointer import LogPlan
from kuntur.transparency.signing.places import Places
from kuntur.transparency.signing.run import Rhythm, run
from kuntur.transparency.signing.witnesses import WitnessClient, WitnessRounds
from server.host.confidential import keep_private
from server.journal.form import synced_sequence
from server.signing.order import REFUSED, WAITS, Said, SigningOrder

_POLLS = 5  # looks at the journal between two checkpoints
_LONGEST_POLL_S = 0.2


class _Voice:
    """Standard output, for all threads: a line is written whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def say(self, said: Said, *more: object) -> None:
        """Writes a line. Nobody may be listening any more, which changes nothing."""
        left = memoryview(json.dumps([said, *more]).encode() + b"\n")
        with self._lock:
            try:
                while left:
                    left = left[os.write(1, left) :]
            except OSError:
                return


def sign_as_ordered() -> int:
    """Signs until standard input ends; returns the exit code. Needs `hold_stop_signals`."""
    order = SigningOrder.from_line(sys.stdin.readline())
    keep_private(core_dumps=order.core_dumps)
    voice, stop = _Voice(), threading.Event()
    threading.Thread(target=_watch_input, args=(stop,), name="server", daemon=True).start()

    def tell(sentence: str) -> None:
        voice.say(Said.TOLD, sentence)

    plan = LogPlan(Path(order.log), Path(order.keys), order.elsewhere)
    rounds = WitnessRounds(
        plan.tree,
        Places((plan.tree, *plan.elsewhere), tell),
        [_witness(line) for line in order.witnesses],
        order.witness_interval_s,
        tell,
    )

    def published(signed: SignedCheckpoint) -> None:
        voice.say(Said.SIGNED, signed.checkpoint.size)
        rounds.published(signed)

    rhythm = Rhythm(order.interval_s, order.max_entries, min(order.interval_s / _POLLS, _LONGEST_POLL_S))
    journal = Path(order.journal)
    journal_keys = None if order.journal_keys is None else Path(order.journal_keys)
    leaves = JournalLeaves(journal, lambda: synced_sequence(journal), journal_keys)
    if order.witnesses:
        rounds.start()
    try:
        run(
            plan,
            leaves,
            stop,
            rhythm=rhythm,
            tell=tell,
            published=published,
            current=lambda: voice.say(Said.CURRENT),
        )
    except TransparencyError as error:
        voice.say(Said.REFUSED, str(error))
        return REFUSED
    except OSError as error:
        tell(f"nothing is signed yet: {error}")
        return WAITS
    finally:
        leaves.close()
        if order.witnesses:
            rounds.stop()
    return 0


def _watch_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def _witness(line: str) -> WitnessClient:
    """Returns the witness of a line of the settings: its URL, then its keys."""
    url, *keys = line.split()
    return WitnessClient(url, [VerifierKey.parse(key) for key in keys])
