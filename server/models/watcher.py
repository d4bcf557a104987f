"""Keeps the live model the one that the registry chooses, off the threads that serve."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from kuntur.bundle.bundle import BundleRefusedError, RefusalReason, Registry
from kuntur.time_zone import TimeZone
from server.host.free_memory import return_free_memory
from server.host.scheduling import give_way, others_first
from server.models.live import Live, LiveModel, LiveSlot
from server.models.loader import load_model
from server.telemetry.metrics import ServerMetrics
from server.trial.process import TrialProcess

_LOG = structlog.get_logger(__name__)

# A version is a name, never a path that leads out of the registry.
VERSION = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_END_S = 10.0
Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a bundle was refused, and the files it had then."""

    reason: RefusalReason
    message: str
    fingerprint: Fingerprint


class ModelWatcher:
    """Polls the registry, checks what it chooses, and swaps it in.

    A bundle that fails a check is refused, logged and counted once, and tried again only when its files
    change or, where they could not be read, at each look; the live model stays. Only the watcher writes the
    slot.
    """

    def __init__(
        self,
        registry: Registry,
        slot: LiveSlot,
        metrics: ServerMetrics,
        *,
        trial: TrialProcess,
        poll_interval_s: float,
        on_live: Callable[[LiveModel], None],
        zone: TimeZone | None = None,
    ) -> None:
        """Takes where to look and how often, how to try models, where to put them, and whom to tell.

        zone: in which features count hours and days, by default Peru's.
        """
        self._trial = trial
        self._zone = zone
        self._registry = registry
        self._slot = slot
        self._metrics = metrics
        self._poll_interval_s = poll_interval_s
        self._on_live = on_live
        self._refusals: dict[str, Refusal] = {}
        self._loaded: Fingerprint = ()
        self._retired: LiveModel | None = None
        self._failed = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-watcher", daemon=True)

    @property
    def refusals(self) -> dict[str, Refusal]:
        """The refused bundles by version, as they stand."""
        return dict(self._refusals)

    def start(self) -> None:
        """Starts polling, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Ends polling, or keeps it from beginning; a trial that is under way is given up."""
        self._stopping.set()
        self._trial.stop()
        if self._thread.is_alive():
            self._thread.join(_END_S)

    def look(self) -> None:
        """Polls, and logs what that raises, once: a registry that is unreadable now may be readable later."""
        try:
            self.poll()
            self._failed = ""
        except OSError as error:
            if str(error) != self._failed:
                _LOG.error("the registry cannot be read", registry=str(self._registry.path), error=str(error))
            self._failed = str(error)
        except Exception as error:
            if repr(error) != self._failed:
                _LOG.exception("looking at the registry failed", registry=str(self._registry.path))
            self._failed = repr(error)

    def poll(self) -> None:
        """Looks once, and loads, refuses or frees a model if need be. Not to be called after `start`."""
        self._release()
        version = self._registry.live_version()
        if version is None:
            return
        path = self._registry.bundle_path(version)
        named = VERSION.fullmatch(version) is not None
        fingerprint = _fingerprint(path) if named else ()
        live = self._slot.live
        if live is not None and live.model.version == version and fingerprint == self._loaded:
            return
        refusal = self._refusals.get(version)
        unreadable = refusal is not None and refusal.reason is RefusalReason.INCOMPLETE
        if refusal is not None and refusal.fingerprint == fingerprint and not unreadable:
            return
        if not named:
            message = "LIVE names something that is not a version"
            self._refuse(version, Refusal(RefusalReason.INCOMPLETE, message, fingerprint))
            return
        try:
            model = load_model(path, self._trial, self._zone)
        except BundleRefusedError as error:
            if self._stopping.is_set():
                return
            self._refuse(version, Refusal(error.reason, error.message, fingerprint))
        else:
            self._swap(model, fingerprint)

    def _watch(self) -> None:
        give_way()
        while not self._stopping.is_set():
            self.look()
            self._stopping.wait(self._poll_interval_s)

    def _swap(self, model: LiveModel, fingerprint: Fingerprint) -> None:
        old = self._slot.live
        self._slot.live = Live(model, datetime.now(UTC))
        self._loaded = fingerprint
        self._refusals = {v: r for v, r in self._refusals.items() if v != model.version}
        # Kept until the next look: by then no frame holds it, and it is freed here, not on a serving thread.
        self._retired = old.model if old is not None else None
        self._metrics.model_went_live(model.version)
        self._on_live(model)
        _LOG.info("model is live", model_version=model.version, replaces=old.model.version if old else None)

    def _refuse(self, version: str, refusal: Refusal) -> None:
        if self._refusals.get(version) == refusal:
            return
        self._refusals = {**self._refusals, version: refusal}
        self._metrics.bundle_refused(refusal.reason)
        live = self._slot.live
        _LOG.error(
            "bundle refused",
            model_version=version,
            reason=str(refusal.reason),
            message=refusal.message,
            live_model_version=live.model.version if live else None,
        )

    def _release(self) -> None:
        if self._retired is None:
            return
        # The last reference: a session is in no cycle, so no collection is needed, which would stop every
        # thread (80 ms, measured). 300 loads and releases leave the resident memory where it was.
        with others_first():
            self._retired = None
            return_free_memory()


def _fingerprint(path: Path) -> Fingerprint:
    """Returns name, size, time of change and inode of each file of a bundle; empty without one."""
    found = []
    for file in sorted(path.rglob("*")):
        try:
            status = file.stat()
        except OSError:  # removed meanwhile: the next look differs
            continue
        found.append((file.relative_to(path).as_posix(), status.st_size, status.st_mtime_ns, status.st_ino))
    return tuple(found)
