"""The life of the process that signs: take entries, sign every second or every so many, until it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kuntur.transparency.notes.checkpoint import SignedCheckpoint
from kuntur.transparency.signing.checkpointer import Checkpointer, LogPlan, without_repeats
from kuntur.transparency.tree.restoring import Leaves

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When checkpoints are signed."""

    interval_s: float = 1.0
    """Longest time between an entry and the checkpoint over it, while all goes well."""
    max_entries: int = 100_000
    """Most entries between two checkpoints; the next one does not wait for its time."""
    poll_s: float = 0.05
    """Time between two looks at a journal in which there was nothing new."""


def run(
    plan: LogPlan,
    leaves: Leaves,
    stop: threading.Event,
    *,
    rhythm: Rhythm | None = None,
    tell: Callable[[str], object] = lambda _sentence: None,
    published: Callable[[SignedCheckpoint], None] = lambda _signed: None,
    current: Callable[[], object] = lambda: None,
) -> None:
    """Signs the checkpoints of a log until `stop` is set, and a last one then.

    leaves: as `Checkpointer` takes it; tell: called with sentences for the operator; published: with each
    checkpoint that is in its places, and at the start with the one that is; current: called whenever all
    entries that were at hand are signed. What cannot be written is told and tried again. Raises what
    `Checkpointer` raises when it is opened, and InconsistentLogError when the journal contradicts what was
    signed: nothing may be signed any more then.
    """
    rhythm, tell = rhythm or Rhythm(), without_repeats(tell)
    checkpointer = Checkpointer(plan, leaves, tell)
    try:
        if checkpointer.last is not None:
            published(checkpointer.last)
        due = 0.0
        while not stop.is_set():
            taken = _tried(checkpointer.take, tell) or 0
            now = time.monotonic()
            if now >= due or checkpointer.unsigned >= rhythm.max_entries:
                _sign(checkpointer, tell, published, current)
                due = now + rhythm.interval_s
            if not taken:
                stop.wait(min(rhythm.poll_s, max(0.0, due - time.monotonic())))
        while _tried(checkpointer.take, tell):
            pass
        _sign(checkpointer, tell, published, current)
    finally:
        checkpointer.close()


def _sign(
    checkpointer: Checkpointer,
    tell: Callable[[str], object],
    published: Callable[[SignedCheckpoint], None],
    current: Callable[[], object],
) -> None:
    before = checkpointer.last
    _tried(checkpointer.sign, tell)
    if checkpointer.last is not None and checkpointer.last is not before:
        published(checkpointer.last)
    if not checkpointer.unsigned:
        current()


def _tried(step: Callable[[], T], tell: Callable[[str], object]) -> T | None:
    """Returns what a step returns, None where the disk did not let it: it is done again in its time."""
    try:
        return step()
    except OSError as error:
        tell(f"a checkpoint waits, since a file cannot be written or read: {error}")
        return None
