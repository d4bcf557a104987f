"""Who calls, and how much each caller has in flight. Callers with nothing in flight are not remembered."""

from __future__ import annotations

import threading

import grpc

_MAX_NAME = 256


class CallerNames:
    """Names the caller of each call."""

    def __init__(self, metadata_key: str) -> None:
        """Takes the key of the metadata that names callers, empty for none."""
        self._key = metadata_key.lower()

    def of(self, context: grpc.ServicerContext) -> str:
        """Returns what TLS proved, else the name in the metadata, else the address without its port."""
        identities = context.peer_identities()
        if identities:
            return "tls:" + bytes(next(iter(identities))).decode(errors="replace")[:_MAX_NAME]
        if self._key:
            for key, value in context.invocation_metadata() or ():
                if key == self._key:
                    text = value if isinstance(value, str) else value.decode(errors="replace")
                    return "named:" + text[:_MAX_NAME]
        peer = context.peer()
        return peer.rpartition(":")[0] if peer.startswith("ipv") else peer


class Callers:
    """Counts what each caller has in flight. Safe for threads."""

    def __init__(self, limit: int) -> None:
        """Takes how many calls or streams one caller may have in flight."""
        self.limit = limit
        self._inside: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Returns how many callers have something in flight."""
        return len(self._inside)

    def enter(self, caller: str) -> bool:
        """Counts one more for a caller unless that is beyond the limit; returns whether it was counted."""
        with self._lock:
            inside = self._inside.get(caller, 0)
            if inside >= self.limit:
                return False
            self._inside[caller] = inside + 1
        return True

    def leave(self, caller: str) -> None:
        """Counts one less for a caller, and forgets a caller that has none left."""
        with self._lock:
            inside = self._inside[caller] - 1
            if inside:
                self._inside[caller] = inside
            else:
                del self._inside[caller]
