"""The rules of a transaction as they are kept: found by trying, whatever declares them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.architecture.statements.reading import Code

_NOW_S = 1_700_000_000
_ADDRESS = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"  # there is no longer one


def _accepted(change: Callable[[Any], object]) -> bool:
    """Returns whether a good transaction is still one after a change."""
    from kuntur.api.v1 import transaction_pb2
    from kuntur.validation.messages import transaction_violations

    message = transaction_pb2.Transaction(
        transaction_id="t-1", account_id="a-1", amount_minor=1, currency_code="PEN"
    )
    message.event_time.seconds = _NOW_S
    change(message)
    return not transaction_violations(message, (_NOW_S + 1) * 1_000_000)


def _highest(change: Callable[[Any, int], object], low: int, high: int) -> int:
    """Returns the highest number with which a change is accepted; low is accepted, high is not."""
    assert _accepted(lambda message: change(message, low))
    assert not _accepted(lambda message: change(message, high))
    while high - low > 1:
        middle = (low + high) // 2
        if _accepted(lambda message: change(message, middle)):  # noqa: B023  # called at once
            low = middle
        else:
            high = middle
    return low


def longest(field: str) -> Code:
    """Returns the most bytes of a field of text."""

    def change(message: Any, length: int) -> None:
        setattr(message, field, "a" * length)

    return Code(f"the longest {field}", lambda: _highest(change, 1, 10_000))


def highest(field: str) -> Code:
    """Returns the highest number in a field."""
    most = 2**31 - 1 if field == "account_age_days" else 2**62
    return Code(
        f"the highest {field}",
        lambda: _highest(lambda message, number: setattr(message, field, number), 1, most),
    )


def longest_address() -> Code:
    """Returns the length of the longest address in text form."""

    def look() -> int:
        assert _accepted(lambda message: setattr(message, "ip_address", _ADDRESS))
        return len(_ADDRESS)

    return Code("the longest address", look)


def most_attributes() -> Code:
    """Returns how many attributes a transaction may have."""

    def change(message: Any, count: int) -> None:
        message.attributes.update({f"a{number}": 1.0 for number in range(count)})

    return Code("the most attributes", lambda: _highest(change, 1, 1_000))


def longest_name() -> Code:
    """Returns the length of the longest name of an attribute."""

    def change(message: Any, length: int) -> None:
        message.attributes["a" * length] = 1.0

    return Code("the longest name of an attribute", lambda: _highest(change, 1, 1_000))


def earliest_day() -> Code:
    """Returns the first day of an event time."""

    def change(message: Any, before_s: int) -> None:
        message.event_time.seconds = _NOW_S - before_s

    def look() -> str:
        return f"{datetime.fromtimestamp(_NOW_S - _highest(change, 0, 2 * _NOW_S), UTC):%Y-%m-%d}"

    return Code("the first day of an event time", look)
