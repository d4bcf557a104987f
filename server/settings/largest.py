"""The largest entry of the journal that the settings allow, and what to set where its buffer has no room.

An entry goes through the buffer in one piece. What is answered is known only when what it answers has been
counted, so it must be certain before that there is room for it.
"""

from __future__ import annotations

from typing import NamedTuple

from server.settings.limits import Limits

# Upper bounds, in bytes; tests/unit/server/test_largest_entries.py holds what is written to them.
CONFLICT_BYTES = 1024  # of the error that another transaction had the id
SCORE_BYTES, REASON_BYTES = 384, 320  # of a score without reasons, and of each reason
FAILURE_BYTES = 1280  # of an outcome that is not taken
PLACE_BYTES = 8  # of one that is refused, in the list of these
CALLER_BYTES = 2064  # of who calls
AROUND_BYTES = 1 << 16  # times, salt, lengths
MAX_REFUSALS_BYTES = 2 << 20
"""What is said of the transactions of a frame that are refused, in all, beyond the least of each."""
MOST_TOGETHER, MOST_TOGETHER_BYTES = 1024, 1 << 18
"""Calls or frames that are ready at the same time are one entry, with so many transactions or as many as one
frame may have, and with so many bytes."""


class Largest(NamedTuple):
    """What may be written at a time, and the settings that it comes from."""

    size_bytes: int
    cause: str


def largest_entry(limits: Limits, reasons_per_transaction: int) -> Largest:
    """Returns the largest entry that may have to be written."""
    frame, outcomes = limits.max_frame_transactions, limits.max_request_outcomes
    items = max(frame, MOST_TOGETHER)
    request = limits.max_message_bytes + PLACE_BYTES * max(items, outcomes)
    together = MOST_TOGETHER_BYTES + (PLACE_BYTES + CALLER_BYTES) * items
    item = max(CONFLICT_BYTES, SCORE_BYTES + REASON_BYTES * reasons_per_transaction)
    candidates = (
        Largest(request, f"limits.max_message_bytes = {limits.max_message_bytes}"),
        Largest(
            max(together, MAX_REFUSALS_BYTES + items * item),
            f"limits.max_frame_transactions = {frame} with reasons.per_transaction = "
            f"{reasons_per_transaction}",
        ),
        Largest(FAILURE_BYTES * outcomes, f"limits.max_request_outcomes = {outcomes}"),
    )
    found = max(candidates)
    return found._replace(size_bytes=found.size_bytes + AROUND_BYTES)
