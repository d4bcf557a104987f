"""How fast a server makes its history anew from a journal: `python -m bench.costs.rebuild`.

Writes a journal of frames, and one of single calls that came in groups, and has an empty history take each in
on one core. Then it holds later transactions against those of a history that took everything as it came.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from kuntur.api.v1 import scoring_service_pb2, transaction_pb2
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.history import HistorySizes
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.journal.file import JournalFileWriter
from kuntur.journal.v1 import journal_pb2
from kuntur.transaction import Transaction
from kuntur.values import to_proto
from kuntur.wire import TransactionReader
from server.journal import JournalWriter
from server.state import Region, RegionHistory
from server.state.rebuild import bring_up_to_date

_START = datetime(2026, 1, 1, tzinfo=UTC)
_LATEST_US = 2**62
LATER = 10_000


def main() -> None:
    """Measures, prints, and writes `bench/results/rebuild.json`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--output", type=Path, default=Path("bench/results/rebuild.json"))
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    for name, size, kind in (
        ("frames_of_64", 64, RequestKind.SCORE_STREAM),
        ("calls_in_groups_of_8", 8, RequestKind.SCORE_TRANSACTION),
    ):
        figures[name] = measure(arguments.transactions, arguments.accounts, size, kind)
        print(f"{name}: {figures[name]:,.0f} transactions a second")
    told = {"transactions": arguments.transactions, "a_second": figures, "later_equal": LATER}
    arguments.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def measure(count: int, accounts: int, size: int, kind: RequestKind) -> float:
    """Returns transactions a second; fails where one of `LATER` later transactions differs.

    size: transactions that came together.
    """
    folder = Path(tempfile.mkdtemp(prefix="kuntur-rebuild-"))
    sizes = HistorySizes(accounts, 10_000, accounts, 512, 1 << 21)
    reader = TransactionReader(secret_from_hex(DEFAULT_HASH_KEY))
    served, made = RegionHistory(Region.create(sizes)), Region.create(sizes)
    try:
        journal = JournalFileWriter(folder / "journal")
        for request in _requests(count, accounts, size):
            served.score_features(reader.read_request(request, _LATEST_US).batch)
            requests = _single(request) if kind == RequestKind.SCORE_TRANSACTION else [request]
            sequence = journal.next_sequence
            answered = [b"\0" * 96 * (size // len(requests))] * len(requests)
            journal.append(
                [
                    _numbered(sequence, entries.admission(kind, requests)),
                    _numbered(sequence + 1, entries.answer(kind, sequence, answered)),
                ]
            )
        journal.close()
        writer = JournalWriter(
            folder / "journal", buffer_bytes=1 << 20, max_file_bytes=1 << 28, sync_interval_s=1.0
        )
        began = time.process_time()
        bring_up_to_date(made, writer, reader)
        seconds = time.process_time() - began
        writer.close()
        later = next(_requests(LATER, accounts, LATER, first=count))
        expected = served.score_features(reader.read_request(later, _LATEST_US).batch)
        found = RegionHistory(made).score_features(reader.read_request(later, _LATEST_US).batch)
        np.testing.assert_array_equal(found, expected)
    finally:
        shutil.rmtree(folder)
    return count / seconds


def _requests(count: int, accounts: int, size: int, first: int = 0) -> Iterator[bytes]:
    """Yields frames of transactions, the same each time."""
    chance = np.random.default_rng(7 + first)
    for start in range(first, first + count, size):
        people = chance.integers(0, accounts, size).tolist()
        yield scoring_service_pb2.ScoreStreamRequest(
            transactions=[_transaction(start + place, person) for place, person in enumerate(people)]
        ).SerializeToString()


def _transaction(number: int, person: int) -> transaction_pb2.Transaction:
    return to_proto(
        Transaction(
            transaction_id=f"t-{number}",
            event_time=_START + timedelta(seconds=number * 0.5),
            account_id=f"a-{person}",
            amount_minor=100 + number % 90_000,
            currency_code="PEN",
            merchant_id=f"m-{(number * 7919) % 9_000}",
            merchant_category_code="5411",
            merchant_country_code="PE",
            device_id=f"d-{person}",
        )
    )


def _single(frame: bytes) -> list[bytes]:
    return [
        scoring_service_pb2.ScoreTransactionRequest(transaction=each).SerializeToString()
        for each in scoring_service_pb2.ScoreStreamRequest.FromString(frame).transactions
    ]


def _numbered(sequence: int, entry: bytes) -> bytes:
    return journal_pb2.Entry(sequence=sequence).SerializeToString() + entry


if __name__ == "__main__":
    main()
