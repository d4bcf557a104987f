"""HistoryService over bytes, since the journal keeps them as they came."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kuntur.api.v1 import history_service_pb2
from server.journal import ExchangeKind
from server.rpc.calls.edge import Edge
from server.rpc.endpoints.intake import Intake, item_statuses
from server.scoring import Backfill

_MAX_FAILURES = 100


class HistoryEndpoint:
    """Answers Backfill."""

    def __init__(self, edge: Edge, intake: Intake, backfill: Backfill) -> None:
        self._edge = edge
        self._intake = intake
        self._backfill = backfill

    def backfill(self, frames: Iterator[bytes]) -> bytes:
        """Answers serialised BackfillRequests with one serialised BackfillResponse."""
        response = history_service_pb2.BackfillResponse()
        seen, gate = 0, self._edge.frame()
        for raw in frames:
            start = time.perf_counter()
            with gate:
                seen += self._take(raw, seen, response)
            self._edge.metrics.answered("Backfill", time.perf_counter() - start)
        return response.SerializeToString()

    def _take(self, raw: bytes, seen: int, response: history_service_pb2.BackfillResponse) -> int:
        reading = self._intake.read_frame(raw)
        repeated = self._backfill.take(reading)
        refused = history_service_pb2.BackfillResponse(
            failures=[history_service_pb2.BackfillFailure(index=place) for place in reading.violations]
        )
        self._intake.journal.append(ExchangeKind.BACKFILL, raw, refused.SerializeToString())
        response.accepted_count += len(reading.batch) - repeated
        response.repeated_count += repeated
        response.refused_count += len(reading.violations)
        for place, status in item_statuses(reading, self._edge).items():
            if len(response.failures) < _MAX_FAILURES:
                response.failures.add(index=seen + place, status=status)
        return len(reading.ids)
