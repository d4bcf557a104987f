"""What a supervisor hands to its workers: the memory that they share, and all settings.

A worker gets all of it in one line of JSON on its standard input, which stays open as long as the supervisor
lives: its end tells the worker that nobody would restart it any more.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from server.settings.passing import plain

ALIVE = "alive"
"""What a worker is asked now and then, and answers."""


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What a worker is to do.

    number: from 0 on; settings: all of `ServerSettings`, with the address that all workers share; buffer:
    descriptor of that of the journal; region: of the shared history, None where the history is elsewhere.
    """

    number: int
    settings: dict[str, Any]
    buffer: int
    region: int | None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the worker inherits."""
        return (self.buffer,) if self.region is None else (self.buffer, self.region)

    def to_line(self) -> str:
        """Returns it as a line of JSON, secrets included: it goes through a pipe that nobody else reads."""
        return json.dumps(asdict(self), default=plain) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Reads what `to_line` returned."""
        return cls(**json.loads(line))
