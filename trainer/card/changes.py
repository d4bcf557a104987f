"""What differs between a model and the one that was live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuntur.bundle.bundle import Manifest
from trainer.card.evidence import Evidence
from trainer.card.plain import scalar
from trainer.card.schema import Change, Changes


def changes(evidence: Evidence) -> Changes | None:
    """Compares a model with the champion's manifest; None when no model was live."""
    champion, mine = evidence.champion, evidence.manifest
    if champion is None:
        return None
    after = {use.name: use.fingerprint for use in mine.features}
    before = {use.name: use.fingerprint for use in champion.features}
    same_window = evidence.champion_metrics is not None
    return Changes(
        replaced=champion.model_version,
        features_added=tuple(name for name in after if name not in before),
        features_removed=tuple(name for name in before if name not in after),
        features_redefined=tuple(name for name in after if before.get(name, after[name]) != after[name]),
        parameters=_differing(champion.parameters, mine.parameters),
        thresholds=tuple(
            Change(name=name, before=getattr(champion.thresholds, name), after=getattr(mine.thresholds, name))
            for name in ("review", "decline")
        ),
        data=_differing(_data(champion), _data(mine)),
        metrics=_all(evidence.champion_metrics or champion.metrics, mine.metrics),
        same_window=same_window,
    )


def _data(manifest: Manifest) -> dict[str, Any]:
    return {
        "hash": manifest.data_hash,
        "transactions": manifest.row_count,
        "frauds": manifest.fraud_count,
        **manifest.window.model_dump(),
        "served_train_end_time": manifest.train_end_time,
    }


def _all(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        Change(name=name, before=scalar(before.get(name)), after=scalar(after.get(name))) for name in names
    )


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(change for change in _all(before, after) if change.before != change.after)
