"""Whether the thread that polls gRPC still runs: other threads ask, each turn of its loop answers."""

from __future__ import annotations

import time

_LOOK_S = 0.02


class Pulse:
    """Set at each turn of the polling thread, which is one store; cleared and awaited by whoever asks."""

    __slots__ = ("turned",)

    def __init__(self) -> None:
        self.turned = False

    def beats(self, timeout_s: float) -> bool:
        """Returns whether the loop turned within the time. It turns at least once a second."""
        self.turned = False
        deadline = time.monotonic() + timeout_s
        while not self.turned:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_S)
        return True
