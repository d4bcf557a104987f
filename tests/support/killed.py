"""Servers that are killed while they are called, and what must be true afterwards.

Callers send each transaction until it is answered, and some once more; what a caller was answered must stay.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import numpy as np
import structlog

from kuntur.api.v1 import score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.history import HistorySizes
from kuntur.history.memory import HistoryMemory
from kuntur.history.serving import C_BASE, C_CHECKS, C_REPEATED
from kuntur.journal.entries import RequestKind
from kuntur.journal.exchanges import read_exchanges
from kuntur.wire import TransactionReader
from server.journal import JournalWriter
from server.state import Region
from server.state.rebuild import bring_up_to_date
from tests.support.programs.server_process import ServerProcess, children
from tests.support.serving import EVENT_TIME, frame, stubs_for, transaction, unary, wait_until

SIZES = HistorySizes(accounts=256, merchants=64, devices=64, categories=16, recent_transactions=1 << 20)
_ACCOUNTS, _FRAME, _AGAIN = 40, 16, 0.2
_CALL_PAUSE_S, _FRAME_PAUSE_S = 0.005, 0.05  # so that no transaction is forgotten while a test runs
_LOG = structlog.get_logger(__name__)


def environment(history: Path) -> dict[str, str]:
    """Returns the settings of a server whose history is compared, as variables."""
    of = {
        "PATH": history,
        "MAX_ACCOUNTS": SIZES.accounts,
        "MAX_MERCHANTS": SIZES.merchants,
        "MAX_DEVICES": SIZES.devices,
        "MAX_CATEGORIES": SIZES.categories,
        "RECENT_TRANSACTIONS": SIZES.recent_transactions,
    }
    return {f"KUNTUR_SERVER_HISTORY__{name}": str(value) for name, value in of.items()}


class Callers:
    """Threads that send transactions to whatever server is there."""

    def __init__(self, seed: int, *, unary_calls: int = 2, streams: int = 1) -> None:
        self._seed = seed
        self.address = ""
        """Of the server; changed by whoever starts another."""
        self.answers: dict[str, bytes] = {}
        """The first answer to each transaction, without the mark of one that was given again."""
        self.wrong: list[str] = []
        """What must not be."""
        self.again = 0
        """How many answers were given again."""
        self._seed = seed
        self._lock = threading.Lock()
        self._ending = threading.Event()
        runs = [self._call] * unary_calls + [self._stream] * streams
        self._threads = [
            threading.Thread(target=self._run, args=(run, number, random.Random(seed * 1000 + number)))
            for number, run in enumerate(runs)
        ]
        self._next = [0] * len(runs)

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def answered(self) -> int:
        """Returns how many transactions have an answer."""
        return len(self.answers)

    def _run(self, run: object, number: int, chance: random.Random) -> None:
        waiting: list[transaction_pb2.Transaction] = []
        past: list[transaction_pb2.Transaction] = []
        while not self._ending.is_set() or waiting:
            address = self.address
            if not address:
                self._ending.wait(0.05)
                continue
            with contextlib.suppress(grpc.RpcError), stubs_for(address) as stubs:
                run(stubs, number, chance, waiting, past)  # type: ignore[operator]
            self._ending.wait(0.05)

    def _new(self, number: int, chance: random.Random) -> transaction_pb2.Transaction:
        count = self._next[number] = self._next[number] + 1
        return transaction(
            f"{self._seed}-{number}-{count}",  # callers of another seed send others
            account_id=f"a-{chance.randrange(_ACCOUNTS)}",
            merchant_id=f"m-{chance.randrange(20)}",
            device_id=f"d-{chance.randrange(30)}",
            amount_minor=chance.randrange(1, 100_000),
            event_time=EVENT_TIME + timedelta(seconds=7 * count),
        )

    def _call(
        self,
        stubs: object,
        number: int,
        chance: random.Random,
        waiting: list[transaction_pb2.Transaction],
        past: list[transaction_pb2.Transaction],
    ) -> None:
        while not self._ending.is_set() or waiting:
            if not waiting:
                waiting.append(self._new(number, chance))
            answer = stubs.scoring.ScoreTransaction(unary(waiting[0]), timeout=30)  # type: ignore[attr-defined]
            self._take(waiting[0].transaction_id, answer.score)
            past.append(waiting.pop())
            self._ending.wait(_CALL_PAUSE_S)
            if chance.random() < _AGAIN:
                waiting.append(chance.choice(past))

    def _stream(
        self,
        stubs: object,
        number: int,
        chance: random.Random,
        waiting: list[transaction_pb2.Transaction],
        past: list[transaction_pb2.Transaction],
    ) -> None:
        def frames() -> Iterator[scoring_service_pb2.ScoreStreamRequest]:
            while not self._ending.is_set() or waiting:
                if not waiting:
                    waiting.extend(self._new(number, chance) for _ in range(_FRAME))
                    if past and chance.random() < _AGAIN:
                        waiting.extend(chance.choices(past, k=3))
                asked.clear()
                yield frame(*waiting)
                while not asked.wait(0.2):
                    if ended.is_set():
                        return

        asked, ended = threading.Event(), threading.Event()
        try:
            for answer in stubs.scoring.ScoreStream(frames()):  # type: ignore[attr-defined]
                for sent, result in zip(waiting, answer.results, strict=True):
                    if result.HasField("score"):
                        self._take(sent.transaction_id, result.score)
                    else:
                        self.wrong.append(f"{sent.transaction_id}: {result.status.message}")
                past.extend(waiting)
                waiting.clear()
                self._ending.wait(_FRAME_PAUSE_S)
                asked.set()
        finally:
            ended.set()

    def _take(self, name: str, score: score_pb2.Score) -> None:
        plain = score_pb2.Score()
        plain.CopyFrom(score)
        plain.replayed = False
        raw = plain.SerializeToString(deterministic=True)
        with self._lock:
            self.again += score.replayed
            first = self.answers.setdefault(name, raw)
        if first != raw:
            self.wrong.append(f"{name} was answered twice, differently")


def kill_all(server: ServerProcess) -> None:
    """Kills all processes of a server, as a machine that stops does."""
    workers = children(server.pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGSTOP)  # so that nothing is restarted
        workers = children(server.pid)
    for pid in (server.pid, *workers):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.wait()
    wait_for_end(workers)


def wait_for_end(pids: list[int]) -> None:
    """Waits until processes have ended."""
    wait_until(lambda: not any(_runs(pid) for pid in pids))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def reader() -> TransactionReader:
    """Returns what reads requests under the default key."""
    return TransactionReader(secret_from_hex(DEFAULT_HASH_KEY))


def differing_parts(found: HistoryMemory, expected: HistoryMemory) -> list[str]:
    """Returns the names of the parts of two histories that differ in what they mean."""
    names = ("accounts", "merchants", "devices", "categories", "recent", "held", "open")
    pairs = zip(
        (*found.tables, found.recent, found.held, found.open),
        (*expected.tables, expected.recent, expected.held, expected.open),
        strict=True,
    )
    differing = [name for name, (a, b) in zip(names, pairs, strict=True) if a.tobytes() != b.tobytes()]
    counters = np.ones(len(found.counters) - 1, dtype=np.bool_)
    counters[[C_BASE, C_CHECKS, C_REPEATED]] = False
    if not np.array_equal(found.counters[:-1][counters], expected.counters[:-1][counters]):
        differing.append(f"counters: {found.counters.tolist()} and {expected.counters.tolist()}")
    return differing


def state_is_that_of_the_journal(folder: Path, scratch: Path) -> list[str]:
    """Returns in what the history of a server that was killed differs from a clean replay of its journal."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(folder / "journal", scratch / "journal")
    shutil.copy(folder / "history", scratch / "history")
    writer = JournalWriter(
        scratch / "journal", buffer_bytes=1 << 20, max_file_bytes=1 << 28, sync_interval_s=1.0
    )
    found, clean = Region.open(scratch / "history", SIZES), Region.create(SIZES)
    try:
        for region in (found, clean):
            bring_up_to_date(region, writer, reader())
        return differing_parts(found.history, clean.history)
    finally:
        found.close()
        clean.close()
        writer.close()


def missing_from_journal(journal: Path, answers: dict[str, bytes]) -> list[str]:
    """Returns what the journal of a server that has ended lacks of what was answered, or has otherwise."""
    first: dict[str, bytes] = {}
    for exchange in read_exchanges(journal):
        if exchange.response is None:
            continue
        if exchange.kind == RequestKind.SCORE_TRANSACTION:
            scores = [scoring_service_pb2.ScoreTransactionResponse.FromString(exchange.response).score]
        else:
            results = scoring_service_pb2.ScoreStreamResponse.FromString(exchange.response).results
            scores = [result.score for result in results]
        for score in scores:
            score.replayed = False
            first.setdefault(score.transaction_id, score.SerializeToString(deterministic=True))
    return [name for name, answer in answers.items() if first.get(name) != answer]
