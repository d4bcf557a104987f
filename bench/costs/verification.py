"""What it costs to take a journal's leaf hashes while it is signed, and to verify it, for `transparency`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from kuntur.journal.entries import RequestKind, admission
from kuntur.journal.file import JournalFileWriter
from kuntur.journal.layout import sequence_bytes
from kuntur.journal.proved.leaves import JournalLeaves
from kuntur.journal.proved.verifying import Request, verify
from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.notes.keys import KeyKind, SigningKey
from kuntur.transparency.signing.checkpointer import Checkpointer, LogPlan

_BYTES = 100 << 20
_REPEATS = 3


def measure(folder: Path, request_bytes: int, name: str, figures: dict[str, float]) -> None:
    """Measures both on a journal of 100 MiB whose entries hold requests of some bytes."""
    count = _BYTES // (request_bytes + 70)
    writer = JournalFileWriter(folder / "journal")
    for start in range(1, count + 1, 1000):
        sequences = range(start, min(start + 1000, count + 1))
        writer.append([sequence_bytes(each) + _entry(request_bytes) for each in sequences])
    writer.close()
    key = SigningKey.generate("bank.example/journal", KeyKind.LOG)
    write_key(folder / "keys" / "one.key", key)
    log = folder / "journal" / "log"

    def take() -> None:
        leaves, taken = JournalLeaves(folder / "journal"), 0
        while len(hashes := leaves(taken)):
            taken += len(hashes)

    figures[f"{name}_leaves_per_s"] = count / _least_s(take)
    checkpointer = Checkpointer(LogPlan(log, folder / "keys"), JournalLeaves(folder / "journal"), print)
    while checkpointer.take():
        pass
    checkpointer.sign()
    checkpointer.close()
    request = Request(folder / "journal", [key.verifier], log)
    report = verify(request)
    if not report.holds:
        raise RuntimeError(report.findings[0].told())
    figures[f"{name}_verified_mb_per_s"] = report.bytes / _least_s(lambda: verify(request)) / 1e6


def _entry(request_bytes: int) -> bytes:
    return admission(RequestKind.SCORE_TRANSACTION, [os.urandom(request_bytes)])


def _least_s(work: Callable[[], object]) -> float:
    """Returns the least processor time of several runs: what disturbs a run only adds."""
    times = []
    for _ in range(_REPEATS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)
