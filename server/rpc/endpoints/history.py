"""HistoryService over bytes, since the journal keeps them as they came."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kuntur.api.v1 import history_service_pb2
from kuntur.journal.entries import RequestKind, admission
from server.access import Caller
from server.rpc.calls.edge import Edge
from server.rpc.endpoints.intake import Intake, identities, item_statuses, refused_places
from server.scoring import Backfill

METHOD = "/kuntur.api.v1.HistoryService/Backfill"
_MAX_FAILURES = 100


class HistoryEndpoint:
    """Answers Backfill."""

    def __init__(self, edge: Edge, intake: Intake, backfill: Backfill) -> None:
        self._edge = edge
        self._intake = intake
        self._backfill = backfill

    def backfill(self, frames: Iterator[bytes], caller: Caller) -> bytes:
        """Answers serialised BackfillRequests with one serialised BackfillResponse."""
        response = history_service_pb2.BackfillResponse()
        seen, gate = 0, self._edge.frame()
        for raw in frames:
            start = time.perf_counter()
            with gate:
                caller = self._edge.renewed(caller, METHOD)
                seen += self._take(raw, seen, response, caller)
            self._edge.metrics.answered("Backfill", time.perf_counter() - start)
        return response.SerializeToString()

    def _take(
        self, raw: bytes, seen: int, response: history_service_pb2.BackfillResponse, caller: Caller
    ) -> int:
        reading = self._intake.read_frame(raw, caller)
        entry = admission(RequestKind.BACKFILL, [raw], refused_places(reading), identities([caller]))
        repeated = self._backfill.take(reading, entry)
        # The last entry so far is this one or behind it.
        self._intake.journal.settle(self._intake.journal.buffer.next_sequence - 1)
        response.accepted_count += len(reading.batch) - repeated
        response.repeated_count += repeated
        response.refused_count += len(reading.violations) + len(reading.foreign)
        statuses = item_statuses(reading, self._edge, caller, "Backfill")
        for place, status in sorted(statuses.items()):
            if len(response.failures) < _MAX_FAILURES:
                response.failures.add(index=seen + place, status=status)
        return len(reading.ids)
