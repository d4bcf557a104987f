"""What finds the live model, tries it and puts it into its slot."""

from __future__ import annotations

from collections.abc import Callable

from kuntur.bundle.bundle import Registry
from kuntur.time_zone import time_zone
from server.models import LiveModel, LiveSlot, ModelWatcher, Trust
from server.settings.config import ServerSettings
from server.telemetry.metrics import ServerMetrics
from server.trial.process import TrialLimits, TrialProcess


def trial_of(settings: ServerSettings) -> TrialProcess:
    """Returns what tries models, as the settings limit it."""
    limits = settings.models
    return TrialProcess(TrialLimits(limits.trial_s, limits.trial_bytes, limits.max_call_ms / 1e3))


def watcher_of(
    settings: ServerSettings,
    registry: Registry,
    slot: LiveSlot,
    metrics: ServerMetrics,
    trial: TrialProcess,
    on_live: Callable[[LiveModel], None],
) -> ModelWatcher:
    """Returns what watches the registry; on_live: called with each model that goes live.

    Raises `kuntur.bundle.signing.PolicyError` when the policy of signatures cannot be used.
    """
    signatures = settings.signatures
    trust = Trust(signatures.policy, signatures.newest_live)
    metrics.signers_required(trust.signers_required())
    return ModelWatcher(
        registry,
        slot,
        metrics,
        trial=trial,
        poll_interval_s=settings.models.poll_interval_s,
        on_live=on_live,
        zone=time_zone(settings.institution.time_zone),
        trust=trust,
    )
