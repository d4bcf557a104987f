"""Access as a whole: the guard of the settings, and what keeps its bindings and keys as their files are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from server.access.bindings import Bindings, BindingsError, read_bindings
from server.access.guard import Guard
from server.access.roles import RULES
from server.access.tokens.key_sources import KeyAddress, KeyFile, KeySource, Stamp, read_bounded, stamp_of
from server.access.tokens.keys import Keys
from server.access.tokens.reader import TokenReader
from server.errors import AccessError
from server.settings.access import Access

_LOG = structlog.get_logger("security")
_LOOK_S = 1.0
_JOIN_S = 5.0


class AccessControl:
    """The guard, and the threads that keep what it goes by up to date."""

    def __init__(
        self,
        settings: Access,
        reloaded: Callable[[str, bool], None] = lambda _, __: None,
        checked: Callable[[], None] = lambda: None,
        *,
        look_s: float = _LOOK_S,
    ) -> None:
        """Reads the bindings, and the keys where they are in a file.

        settings: with mode "required"; reloaded: told what was read anew, "bindings" or "keys", and whether
        it was taken; checked: told of each token that was not known; look_s: time between two looks at the
        bindings. Raises AccessError.
        """
        if settings.bindings_path is None:  # which the settings do not let through
            raise AccessError("access.bindings_path is not set")
        self._path, self._look_s, self._reloaded = settings.bindings_path, look_s, reloaded
        self._stamp: Stamp | None = None
        self._failed = ""
        try:
            self._stamp = stamp_of(self._path)
            bindings = read_bindings(read_bounded(self._path))
        except (OSError, BindingsError) as error:
            raise AccessError(f"access.bindings_path {self._path} cannot be used: {error}") from error
        self.keys = _keys(settings, reloaded)
        reader: TokenReader | None = None
        if self.keys is not None:
            reader = TokenReader(
                self.keys,
                issuer=settings.issuer,
                audience=settings.audience,
                algorithms=settings.algorithms,
                leeway_s=settings.leeway_s,
            )
        opened = [
            name for name, rule in RULES.items() if rule.opened_by and getattr(settings, rule.opened_by)
        ]
        self.guard = Guard(
            bindings,
            reader,
            opened=opened,
            max_tokens=settings.max_tokens,
            checks_per_s=settings.token_checks_per_s,
            checked=checked,
        )
        self._told(bindings)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bindings", daemon=True)

    def start(self) -> None:
        """Begins to look for changes."""
        if self.keys is not None:
            self.keys.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends that."""
        self._stopped.set()
        if self.keys is not None:
            self.keys.stop()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def look(self) -> None:
        """Takes the bindings of the file if it has changed and is sound; else those from before stay."""
        try:
            stamp = stamp_of(self._path)
            if stamp == self._stamp:
                return
            bindings = read_bindings(read_bounded(self._path))
        except (OSError, BindingsError) as error:
            if str(error) != self._failed:  # once for each fault, not each second
                self._failed = str(error)
                self._reloaded("bindings", False)
                _LOG.error(
                    "the bindings cannot be used; those from before stay",
                    path=str(self._path),
                    error=str(error),
                )
            return
        self._stamp, self._failed = stamp, ""
        self.guard.bindings = bindings
        self._reloaded("bindings", True)
        self._told(bindings)

    def _told(self, bindings: Bindings) -> None:
        _LOG.info("bindings read", path=str(self._path), bound=len(bindings))

    def _watch(self) -> None:
        while not self._stopped.wait(self._look_s):
            try:
                self.look()
            except Exception:
                _LOG.exception("looking at the bindings failed")


def _keys(settings: Access, reloaded: Callable[[str, bool], None]) -> Keys | None:
    """Returns the keys of the issuer, None where no tokens are taken. Raises AccessError."""
    source: KeySource
    if settings.jwks_path is not None:
        source = KeyFile(settings.jwks_path)
    elif settings.jwks_url is not None:
        source = _address(settings.jwks_url, settings.jwks_ca_path)
    else:
        return None
    keys = Keys(
        source,
        settings.algorithms,
        refresh_s=settings.jwks_refresh_s,
        unknown_s=settings.jwks_unknown_s,
        reloaded=reloaded,
    )
    if not source.costs:
        keys.look()  # an address is asked on a thread: it may take its time, or not be there yet
    return keys


def _address(url: str, ca_path: Path | None) -> KeyAddress:
    try:
        return KeyAddress(url, ca_path)
    except OSError as error:
        raise AccessError(f"access.jwks_ca_path {ca_path} cannot be used: {error}") from error
