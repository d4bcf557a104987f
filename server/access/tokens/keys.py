"""The keys in force, kept fresh on a thread of their own: whoever asks for one never waits for a network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from jwt import PyJWK

from server.access.tokens.key_set import KeySet, KeySetError, read_key_set
from server.access.tokens.key_sources import KeySource
from server.errors import KeyPendingError, KeyUnknownError, TokenInvalidError

_LOG = structlog.get_logger("security")
_LOOK_S = 1.0
_FIRST_TRIES_S = 5.0
_JOIN_S = 10.0
Reloaded = Callable[[str, bool], None]
"""Told what was read anew, and whether it was taken."""


class Keys:
    """The keys of one issuer. `find` is for any thread."""

    def __init__(
        self,
        source: KeySource,
        algorithms: Sequence[str],
        *,
        refresh_s: float,
        unknown_s: float,
        reloaded: Reloaded,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes where the keys are and what they may sign with.

        refresh_s: time between two fetches from an address; a file is looked at each second; unknown_s: least
        time between two fetches because of unknown keys.
        """
        self._source, self._algorithms = source, tuple(algorithms)
        self._refresh_s, self._unknown_s = refresh_s, unknown_s
        self._reloaded, self._clock = reloaded, clock
        self.current: KeySet | None = None
        """Those in force; another object once they change."""
        self.changed: Callable[[], None] = lambda: None
        """Called when they have."""
        self._asked = threading.Lock()
        self._pending = True  # until the first answer
        self._unknown_from = 0.0  # when an unknown key may have the source asked again
        self._wanted = threading.Event()
        self._stopping = False
        self._failed = ""
        self._thread = threading.Thread(target=self._keep, name="issuer-keys", daemon=True)

    def start(self) -> None:
        """Begins to keep the keys fresh."""
        self._thread.start()

    def stop(self) -> None:
        """Ends that."""
        self._stopping = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def find(self, kid: str | None, algorithm: str) -> PyJWK:
        """Returns the key for a token.

        Raises KeyPendingError while the source is asked, because of this token or another; KeyUnknownError
        when it was asked already; TokenInvalidError where the key is not for the algorithm.
        """
        current = self.current
        if current is not None:
            key = current.find(kid, algorithm)
            if key is not None:
                return key
            if kid is None:
                raise TokenInvalidError("names no key, and its issuer has more than one or none for it")
            if current.knows(kid):
                raise TokenInvalidError("names a key that is not for its algorithm")
        with self._asked:
            if not self._pending and current is self.current:  # else they are coming, or have just come
                if self._clock() < self._unknown_from:
                    if current is None:
                        raise KeyPendingError
                    raise KeyUnknownError
                self._pending = True
                self._wanted.set()
        raise KeyPendingError

    def look(self) -> None:
        """Asks the source once, and takes what it gives if that can be used. For one thread."""
        try:
            raw = self._source.read()
            if raw is not None:
                self.current = read_key_set(raw, self._algorithms, self.current)
                self.changed()
                self._reloaded("keys", True)
                _LOG.info("keys of the issuer read", source=self._source.name, keys=len(self.current))
            self._failed = ""
        except (OSError, KeySetError) as error:
            self._reloaded("keys", False)
            if str(error) != self._failed:
                self._failed = str(error)
                _LOG.error(
                    "the keys of the issuer cannot be read",
                    source=self._source.name,
                    error=str(error),
                    kept="those from before" if self.current is not None else "none: no token can be checked",
                )
        finally:
            with self._asked:
                self._pending = False
                bound_s = self._unknown_s if self._source.costs else _LOOK_S
                self._unknown_from = self._clock() + bound_s

    def _keep(self) -> None:
        while not self._stopping:
            self._wanted.clear()
            try:
                self.look()
            except Exception:
                _LOG.exception("looking for the keys of the issuer failed")
            if not self._source.costs:
                wait_s = _LOOK_S
            else:
                wait_s = self._refresh_s if self.current is not None else _FIRST_TRIES_S
            self._wanted.wait(wait_s)
