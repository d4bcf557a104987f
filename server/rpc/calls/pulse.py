"""Whether the thread that polls gRPC still goes on: asked from another thread, answered by turning."""

from __future__ import annotations

import time

_LOOK_S = 0.02


class Pulse:
    """Set at each turn of the polling thread, which is one store; cleared and awaited by whoever asks."""

    __slots__ = ("turned",)

    def __init__(self) -> None:
        self.turned = False

    def beats(self, timeout_s: float) -> bool:
        """Returns whether the thread turned within the time. It turns once a second when nothing comes."""
        self.turned = False
        deadline = time.monotonic() + timeout_s
        while not self.turned:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_S)
        return True
