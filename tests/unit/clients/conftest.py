from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from clients import Client, ClientConfig
from kuntur.transaction import Transaction
from tests.fakes.scoring_server import FakeServer

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def config(server: FakeServer) -> ClientConfig:
    """Quick retries, so that a test of them takes no time."""
    return ClientConfig(
        server=server.address, timeout_seconds=60, initial_backoff_seconds=0.01, max_backoff_seconds=0.02
    )


@pytest.fixture
def client(config: ClientConfig) -> Iterator[Client]:
    with Client(config=config) as opened:
        yield opened


def transactions(count: int, first: int = 0) -> list[Transaction]:
    """Returns transactions t-<first>, t-<first + 1>, ... a second apart."""
    return [
        Transaction(
            transaction_id=f"t-{index}",
            event_time=START + timedelta(seconds=index),
            account_id="a-1",
            amount_minor=1_000,
            currency_code="PEN",
        )
        for index in range(first, first + count)
    ]


def wait_until_streams_end() -> None:
    """Waits until no thread reads answers: every stream of a waiting client has ended."""
    give_up_at = time.monotonic() + 60
    while any(each.name == "kuntur-frames" for each in threading.enumerate()):
        assert time.monotonic() < give_up_at, "a stream is still open"
        time.sleep(0.001)
