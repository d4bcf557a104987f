"""What differs between a model and the one that was live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuntur.bundle.bundle import feature_uses
from trainer.card.evidence import Evidence
from trainer.card.plain import scalar
from trainer.card.schema import Change, Changes


def changes(evidence: Evidence) -> Changes | None:
    """Compares a model with the champion's manifest; None when no model was live."""
    champion = evidence.champion
    if champion is None:
        return None
    mine = {use.name: use.fingerprint for use in feature_uses(tuple(evidence.feature_names))}
    theirs = {use.name: use.fingerprint for use in champion.features}
    same_window = evidence.champion_metrics is not None
    return Changes(
        replaced=champion.model_version,
        features_added=tuple(name for name in mine if name not in theirs),
        features_removed=tuple(name for name in theirs if name not in mine),
        features_redefined=tuple(name for name in mine if theirs.get(name, mine[name]) != mine[name]),
        parameters=_differing(champion.parameters, evidence.parameters),
        thresholds=tuple(
            Change(name=name, before=getattr(champion.thresholds, name), after=value)
            for name, value in (
                ("review", evidence.thresholds.review),
                ("decline", evidence.thresholds.decline),
            )
        ),
        data=_differing(
            {
                "hash": champion.data_hash,
                "transactions": champion.row_count,
                "frauds": champion.fraud_count,
                **champion.window.model_dump(),
            },
            {
                "hash": evidence.data_hash,
                "transactions": evidence.row_count,
                "frauds": evidence.fraud_count,
                **evidence.window.model_dump(),
            },
        ),
        metrics=_all(evidence.champion_metrics or champion.metrics, evidence.metrics),
        same_window=same_window,
    )


def _all(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        Change(name=name, before=scalar(before.get(name)), after=scalar(after.get(name))) for name in names
    )


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(change for change in _all(before, after) if change.before != change.after)
