"""Request bodies for loads: known transactions anew, under ids of their own, event time going on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.load.workload import Workload, grpc_frames
from kuntur.api.v1 import transaction_pb2

Change = Callable[[transaction_pb2.Transaction, int], None]
_APART_US = 50_000_000


def fresh(workload: Workload, first: int, count: int, change: Change | None = None) -> list[bytes]:
    """Returns `count` transactions that no one has sent yet, as messages.

    first: how many were taken before; they are the workload's own, again and again, each under a new id and
    50 s of event time behind the one before, which is how densely the workload itself lies. change: what is
    to be different, given the number of each.
    """
    rows = workload.raw[workload.load]
    start = transaction_pb2.Transaction.FromString(rows[-1]).event_time.ToMicroseconds()
    messages = []
    for number in range(first, first + count):
        message = transaction_pb2.Transaction.FromString(rows[number % len(rows)])
        message.transaction_id = f"load-{number}"
        message.event_time.FromMicroseconds(start + _APART_US * (number + 1))
        if change is not None:
            change(message, number)
        messages.append(message.SerializeToString())
    return messages


class Supply:
    """Hands out the transactions of a workload, none of them twice (see `fresh`)."""

    def __init__(self, workload: Workload) -> None:
        self._workload, self._taken = workload, 0

    def take(self, count: int) -> list[bytes]:
        """Returns so many, as messages."""
        self._taken += count
        return fresh(self._workload, self._taken - count, count)

    def write_singles(self, path: Path, count: int, mode: bytes = b"") -> Path:
        """Writes so many, each a request of its own."""
        return write_singles(path, self.take(count), mode)


def write_singles(path: Path, messages: list[bytes], mode: bytes = b"") -> Path:
    """Writes one request each, for `bench.load.openloop` and `bench.load.closed`."""
    path.write_bytes(grpc_frames(messages, 1, mode))
    return path
