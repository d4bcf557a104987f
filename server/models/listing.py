"""The registry's models as ModelService shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from kuntur.bundle.bundle import (
    MANIFEST,
    BundleRefusedError,
    Manifest,
    RefusalReason,
    Registry,
    read_manifest,
)
from server.errors import ModelNotFoundError, NoLiveModelError
from server.models.live import LiveSlot
from server.models.watcher import VERSION, ModelWatcher


class ModelState(Enum):
    """What the server does with a model; the names are those of the protobuf enum."""

    AVAILABLE = "AVAILABLE"
    LIVE = "LIVE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One model: its state, why it was refused if it was, its manifest if that can be read, who signed it."""

    model_version: str
    state: ModelState
    manifest: Manifest | None = None
    refusal: tuple[RefusalReason, str] | None = None
    live_since: datetime | None = None
    signers: tuple[str, ...] = ()


class ModelListing:
    """Tells which models there are. Safe for threads."""

    def __init__(self, registry: Registry, slot: LiveSlot, watcher: ModelWatcher) -> None:
        self._registry = registry
        self._slot = slot
        self._watcher = watcher

    def live(self) -> ModelRecord:
        """Returns the model that scores. Raises NoLiveModelError."""
        live = self._slot.live
        if live is None:
            raise NoLiveModelError
        model = live.model
        return ModelRecord(
            model.version, ModelState.LIVE, model.manifest, live_since=live.since, signers=model.signers
        )

    def get(self, model_version: str) -> ModelRecord:
        """Returns one model. Raises ModelNotFoundError."""
        live = self._slot.live
        if live is not None and live.model.version == model_version:
            return self.live()
        if VERSION.fullmatch(model_version) is None:
            raise ModelNotFoundError(model_version)
        refusal = self._watcher.refusals.get(model_version)
        path = self._registry.bundle_path(model_version)
        if not path.is_dir() and refusal is None:
            raise ModelNotFoundError(model_version)
        why = None if refusal is None else (refusal.reason, refusal.message)
        manifest = None
        try:
            manifest = read_manifest(path)
        except BundleRefusedError as error:
            why = why or (error.reason, error.message)
        except OSError as error:
            why = why or (RefusalReason.INCOMPLETE, f"{MANIFEST} cannot be read: {error.strerror}")
        state = ModelState.AVAILABLE if why is None else ModelState.REFUSED
        return ModelRecord(model_version, state, manifest, why)

    def all(self) -> list[ModelRecord]:
        """Returns every model, newest first by the time its manifest was written."""
        versions = {v for v in self._registry.versions() if VERSION.fullmatch(v)}
        live = self._slot.live
        try:
            chosen = self._registry.live_version()
        except OSError:  # the watcher tells the operator
            chosen = None
        if live is not None:
            versions.add(live.model.version)
        if chosen in self._watcher.refusals and VERSION.fullmatch(chosen):
            versions.add(chosen)
        records = []
        for version in sorted(versions, key=lambda v: (self._written_ns(v), v), reverse=True):
            try:
                records.append(self.get(version))
            except ModelNotFoundError:  # removed from the registry meanwhile
                continue
        return records

    def _written_ns(self, version: str) -> int:
        try:
            return (self._registry.bundle_path(version) / MANIFEST).stat().st_mtime_ns
        except OSError:
            return 0
