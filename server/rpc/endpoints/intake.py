"""What the endpoints share: reading requests, and the refusals of a frame's items."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.rpc import status_pb2

from kuntur.validation.messages import Violation
from kuntur.wire import MalformedError, OversizedError, Reading, TransactionReader, read_outline
from server.access import ANYONE, Caller
from server.errors import (
    FrameSizeError,
    InstitutionForeignError,
    InvalidFieldsError,
    JournalUnavailableError,
)
from server.journal import Journal
from server.rpc.calls.edge import Edge
from server.rpc.errors import fitted
from server.settings.largest import MAX_REFUSALS_BYTES, MOST_TOGETHER, MOST_TOGETHER_BYTES


class LatestTime:
    """The latest event time that the server takes now."""

    def __init__(self, tolerance_s: float) -> None:
        """Takes how far it lies after the server's clock."""
        self._tolerance_us = round(tolerance_s * 1e6)

    def us(self) -> int:
        """Returns it in microseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1000 + self._tolerance_us


@dataclass(frozen=True, slots=True)
class Intake:
    """What every endpoint that changes the history needs besides its use case.

    reader: bytes to columns; latest: bound of event times; journal: where entries go; max_items: items
    in one request or frame.
    """

    reader: TransactionReader
    latest: LatestTime
    journal: Journal
    max_items: int

    def check_journal(self) -> None:
        """Raises JournalUnavailableError while what would be counted could not be journaled.

        That is one look at a flag for all that is read; what passes it is kept in any case.
        """
        if self.journal.unavailable is not None:
            raise JournalUnavailableError

    def read_one(self, raw: bytes, caller: Caller) -> Reading:
        """Reads a request of one transaction.

        Raises JournalUnavailableError, MalformedError, InstitutionForeignError, InvalidFieldsError.
        """
        self.check_journal()
        try:
            reading = self.reader.read_request(raw, self.latest.us(), 1)
        except OversizedError as error:
            raise MalformedError("the request holds more than one transaction") from error
        if not len(reading.ids):
            raise InvalidFieldsError([Violation("transaction", "is required")])
        if caller.institutions is not None and (foreign := caller.institutions.foreign(raw, 1)):
            raise InstitutionForeignError(foreign[0])
        if reading.violations:
            raise InvalidFieldsError(reading.violations[0], "transaction.")
        return reading

    def read_frame(self, raw: bytes, caller: Caller) -> Reading:
        """Reads a frame, without the transactions of institutions that its caller does not act for.

        Raises JournalUnavailableError, MalformedError, FrameSizeError.
        """
        self.check_journal()
        try:
            reading = self.reader.read_request(raw, self.latest.us(), self.max_items)
        except OversizedError as error:
            raise FrameSizeError(error.count, self.max_items) from error
        self.check_size(len(reading.ids))
        if caller.institutions is None:
            return reading
        return reading.without(caller.institutions.foreign(raw, len(reading.ids)))

    def read_together(
        self, raws: list[bytes], callers: list[Caller], most_each: int
    ) -> tuple[Reading, list[int]] | None:
        """Reads requests of up to `most_each` transactions as one: which their bytes are when joined.

        Returns the reading and how many transactions each request has; None where they have to be read one by
        one: one is not plainly written, they differ in `reasons_mode`, or are too large or too many for one
        entry of the journal together. Raises JournalUnavailableError.
        """
        self.check_journal()
        if sum(map(len, raws)) > MOST_TOGETHER_BYTES:
            return None
        sizes, modes = zip(*map(read_outline, raws), strict=True)
        if min(sizes) < 1 or max(sizes) > most_each or min(modes) != max(modes):
            return None
        if sum(sizes) > max(self.max_items, MOST_TOGETHER):
            return None
        joined = b"".join(raws)
        try:
            reading = self.reader.read_request(joined, self.latest.us())
            return reading.without(_foreign(raws, joined, callers, sizes)), list(sizes)
        except MalformedError:
            return None

    def check_size(self, size: int) -> None:
        """Raises FrameSizeError for a request of no item or too many."""
        if not 1 <= size <= self.max_items:
            raise FrameSizeError(size, self.max_items)


def refused_places(reading: Reading) -> list[int]:
    """Returns the places of the transactions that do not enter, ascending."""
    if not reading.violations and not reading.foreign:
        return []
    return sorted({*reading.violations, *reading.foreign})


def identities(callers: Sequence[Caller]) -> list[str]:
    """Returns who calls; nothing where nobody is asked."""
    if callers[0] is ANYONE:
        return []
    found = [caller.identity for caller in callers]
    return found if any(found) else []


def _foreign(
    raws: list[bytes], joined: bytes, callers: list[Caller], sizes: Sequence[int]
) -> Mapping[int, str]:
    """Returns the institutions that requests name and their callers do not act for, by place in all."""
    sets = {caller.institutions for caller in callers}
    if len(sets) == 1:
        (institutions,) = sets
        return {} if institutions is None else institutions.foreign(joined, sum(sizes))
    found: dict[int, str] = {}
    first = 0
    for raw, caller, size in zip(raws, callers, sizes, strict=True):
        if caller.institutions is not None:
            foreign = caller.institutions.foreign(raw, size)
            found |= {first + place: institution for place, institution in foreign.items()}
        first += size
    return found


def item_statuses(reading: Reading, edge: Edge, caller: Caller, method: str) -> dict[int, status_pb2.Status]:
    """Returns the statuses of a frame's refused transactions by place.

    Together they stay well below the 4 MiB that a client takes by default: violations that do not fit are
    left out.
    """
    count = len(reading.violations) + len(reading.foreign)
    if not count:
        return {}
    edge.metrics.items_refused(count)
    max_bytes = MAX_REFUSALS_BYTES // count
    statuses = {
        place: fitted(edge.table.status(InvalidFieldsError(violations, f"transactions[{place}].")), max_bytes)
        for place, violations in reading.violations.items()
    }
    if reading.foreign:
        edge.foreign(caller, reading.foreign.values(), method)
        told = {
            each: edge.table.status(InstitutionForeignError(each)) for each in set(reading.foreign.values())
        }
        statuses |= {place: told[each] for place, each in reading.foreign.items()}
    return statuses
