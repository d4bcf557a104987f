"""A stream of scores that a test writes to and reads from by turns."""

from __future__ import annotations

import queue
from typing import Any

from tests.support.serving import RunningServer, frame, transaction


class OpenStream:
    """A stream that stays open until it is closed."""

    def __init__(self, server: RunningServer, metadata: Any = None) -> None:
        self._frames: queue.Queue[Any] = queue.Queue()
        self.answers = server.stubs.scoring.ScoreStream(iter(self._frames.get, None), metadata=metadata)

    def put(self, *ids: str) -> None:
        """Sends a frame of transactions, and does not wait for its answer."""
        self._frames.put(frame(*map(transaction, ids)))

    def answer(self) -> list[str]:
        """Returns the ids of the transactions that the next answer scores."""
        return [result.score.transaction_id for result in next(self.answers).results]

    def score(self, *ids: str) -> Any:
        """Sends a frame; returns its answer."""
        self.put(*ids)
        return next(self.answers)

    def close(self) -> None:
        """Ends what is sent."""
        self._frames.put(None)
