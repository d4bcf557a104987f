"""A history that is made anew from a long journal is that of a server that took everything as it came.

`TRANSACTIONS` of the environment is how long; 1,000,000 by default. Ten times as many take ten times as long,
mostly for writing the journal.
"""

from __future__ import annotations

import os

import pytest

from bench.costs.rebuild import LATER, measure
from kuntur.journal.entries import RequestKind
from tests.support.results import record

TRANSACTIONS = int(os.environ.get("TRANSACTIONS", "1000000"))
_FRAME = 512


@pytest.mark.timeout(600 + TRANSACTIONS // 2_000)
def test_later_transactions_are_equal_after_a_long_rebuild() -> None:
    count = -(-TRANSACTIONS // _FRAME) * _FRAME
    rate = measure(count, 100_000, _FRAME, RequestKind.SCORE_STREAM)
    record("rebuild", transactions=count, seconds=round(count / rate, 1), a_second=round(rate), later=LATER)
