"""What a history in Redis costs, and what it keeps: `python -m bench.costs.shared_store`.

The store alone, without gRPC or model, over a Redis of its own on this machine: milliseconds of a frame that
is only counted, as in a backfill, and of one that is counted, answered and kept; then bytes that Redis takes
for a transaction. Both kinds of frames run in turn, and the middle time counts.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import fmean, median
from typing import Any

import numpy as np
import redis

from bench.costs.history import transactions
from kuntur.api.v1 import score_pb2, scoring_service_pb2, transaction_pb2
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.transaction import TransactionBatch
from server.settings.config import load_settings
from server.state.redis.history import RedisHistory
from server.state.redis.open import open_shared_history

_ACCOUNTS, _WARM = 10_000, 10
_SIZES = (1, 64, 512)


@contextmanager
def _redis() -> Iterator[int]:
    """Starts a Redis in memory and yields its port."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        sys.exit("there is no redis-server here: install it")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(200):
                try:
                    redis.Redis(port=port).ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait()


def _transaction(number: int) -> transaction_pb2.Transaction:
    """Returns a transaction as a bank describes it, of 170 bytes."""
    return transaction_pb2.Transaction(
        transaction_id=f"20261128-{number:012}",
        institution_id="banco-andino",
        event_time={"seconds": 1_764_000_000 + number},
        account_id=f"account-{number:09}",
        amount_minor=12_550,
        currency_code="PEN",
        type=transaction_pb2.TRANSACTION_TYPE_PURCHASE,
        channel=transaction_pb2.CHANNEL_ECOMMERCE,
        account_balance_minor=10_000_000,
        counterparty_account_id=f"account-{number * 7:09}",
        merchant_id=f"merchant-{number % 997:06}",
        merchant_category_code="5732",
        merchant_country_code="PE",
        device_id=f"device-{number:09}",
        ip_address="192.0.2.1",
    )


def _answered(store: RedisHistory, batch: TransactionBatch, first: int) -> float:
    """Counts and answers a frame; returns the seconds of what the store does."""
    numbers = range(first, first + len(batch))
    request = scoring_service_pb2.ScoreStreamRequest(transactions=map(_transaction, numbers))
    admission = entries.admission(RequestKind.SCORE_STREAM, [request.SerializeToString()])
    scores = (
        score_pb2.Score(
            transaction_id=f"20261128-{number:012}",
            fraud_probability=0.01,
            decision=score_pb2.DECISION_APPROVE,
            model_version="2026-11-01T00-00-00Z",
        )
        for number in numbers
    )
    results = [score_pb2.ScoreResult(score=score) for score in scores]
    response = scoring_service_pb2.ScoreStreamResponse(results=results).SerializeToString()
    answer = entries.answer(RequestKind.SCORE_STREAM, 1, [response])
    began = time.perf_counter()
    admitted = store.admit(batch, np.arange(len(batch)), admission, scored=True)
    store.answer(batch.keys, admitted.trail, answer, admitted)
    return time.perf_counter() - began


def _counted(store: RedisHistory, batch: TransactionBatch) -> float:
    began = time.perf_counter()
    store.backfill(batch)
    return time.perf_counter() - began


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="frames of each kind and size (60)")
    rounds = _WARM + parser.parse_args().rounds
    with _redis() as port:
        client: Any = redis.Redis(port=port)
        patient = {"url": f"redis://127.0.0.1:{port}/0", "timeout_s": 30.0, "patience_s": 60.0}
        settings = load_settings(None, {"redis": patient})
        store = open_shared_history(settings.redis, settings.history)
        batch = transactions(2 * rounds * sum(_SIZES), _ACCOUNTS, seed=5)
        at = 0
        print("transactions a frame | counted, ms | counted and answered, ms")
        for size in _SIZES:
            counted, answered = [], []
            for _ in range(rounds):
                parts = [batch.rows(slice(first, first + size)) for first in (at, at + size)]
                counted.append(_counted(store, parts[0]))
                answered.append(_answered(store, parts[1], at + size))
                at += 2 * size
            print(f"{size} | {median(counted[_WARM:]) * 1e3:.2f} | {median(answered[_WARM:]) * 1e3:.2f}")
        for letter, what in (("t", "a latest transaction"), ("f", "its first answer")):
            names = [name for name in client.scan_iter(f"kuntur:{letter}*", 1000) if len(name) == 16]
            print(f"{what}: {fmean(map(client.memory_usage, names[:1000])):.0f} bytes")
        store.close()


if __name__ == "__main__":
    main()
