"""Which figures belong to which fit, in words and as a part of the document."""

from __future__ import annotations

from kuntur.bundle.bundle import Manifest
from trainer.card.evidence import Evidence
from trainer.card.plain import plain
from trainer.card.schema.figures import Threshold
from trainer.card.schema.fits import Fit, Fits
from trainer.wording import counted, number


def fits(evidence: Evidence) -> Fits:
    """Returns the part of the document."""
    manifest, again = evidence.manifest, evidence.manifest.refit
    calibration = plain(evidence.calibration)
    judged = Fit(
        train_start_time=manifest.window.train_start_time,
        train_end_time=manifest.window.train_end_time,
        thresholds=Threshold.model_validate(manifest.judged_thresholds.model_dump()),
        calibration=calibration if isinstance(calibration, dict) else None,
    )
    served = judged.model_copy(
        update={
            "train_start_time": manifest.train_start_time,
            "train_end_time": manifest.train_end_time,
            "thresholds": Threshold.model_validate(manifest.thresholds.model_dump()),
            "calibration": judged.calibration if again is None else plain(evidence.refit_calibration),
        }
    )
    return Fits(
        same=again is None,
        judged=judged,
        served=served,
        labels_time=None if again is None else again.labels_time,
        rows=None if again is None else again.row_count,
        frauds=None if again is None else again.fraud_count,
        held_out_start_time=None if again is None else again.held_out_start_time,
        text=told(manifest),
    )


def told(manifest: Manifest) -> str:
    """Says which fit the figures are of and which one is served."""
    again = manifest.refit
    if again is None:
        return "The fit that was judged is the one that is served: all figures are its own."
    return (
        f"The figures are of a fit that learnt until {_day(manifest.window.train_end_time)}. Served is the "
        f"same recipe fitted again on {counted(again.row_count, 'transaction')} until "
        f"{_day(again.train_end_time)} ({counted(again.fraud_count, 'fraud')} known on "
        f"{_day(again.labels_time)}). It has no figures of its own. Its calibration and thresholds were "
        f"settled on the newest {number(again.held_out_days)} of these days by a fit that left them out."
    )


def _day(moment: str) -> str:
    return moment[:10]
