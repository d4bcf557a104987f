"""What moved since a model was calibrated, as warnings of the verdict: the share of fraud, and the alerts.

A warning keeps no model from going live, since an older one would know the change even less. It says that
probabilities or thresholds no longer mean what they meant, and what can be set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.calibration import beyond_chance, estimated_share
from trainer.confined.session import run, session
from trainer.dataset.training_set import Dataset
from trainer.dataset.windows import Window, judging_rows
from trainer.release.candidate import ServedModel
from trainer.settings.config import TrainerSettings
from trainer.settings.judging import ThresholdSettings
from trainer.sources.split import Split
from trainer.wording import number, per_cent

_DAY_US = 86_400_000_000
_BEYOND_CHANCE = 2.58  # standard errors: one comparison in a hundred goes beyond them by chance


@dataclass(frozen=True, slots=True)
class Share:
    """A share of fraud among rows; frauds: counted or estimated; where: the rows, in words."""

    frauds: float
    rows: int
    where: str

    @classmethod
    def of(cls, label: npt.NDArray[np.bool_], where: str) -> Share:
        """Counts it."""
        return cls(float(label.sum()), len(label), where)

    @property
    def value(self) -> float:
        """The share; 0 of no rows."""
        return self.frauds / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Newest:
    """Rows after all whose labels are known, which nothing was learnt from; days: over which they spread."""

    rows: Window
    days: float

    @classmethod
    def of(
        cls, dataset: Dataset, split: Split, columns: npt.NDArray[np.intp], until_us: int
    ) -> Newest | None:
        """Takes them of a data set; None where they spread over less than a day."""
        days = (until_us - split.test_end_us) / _DAY_US
        first, last = np.searchsorted(dataset.event_time_us, [split.test_end_us, until_us])
        if days < 1 or first == last:
            return None
        return cls(judging_rows(dataset, np.arange(first, last), columns, until_us), days)


def moved_share(calibrated: Share, later: Share, max_factor: float) -> Iterator[str]:
    """Gives a sentence where a share is more than a factor away from another, beyond chance."""
    p, q = calibrated.value, later.value
    if 1 / max_factor <= (q / p if p else 1.0) <= max_factor:
        return
    together = (calibrated.frauds + later.frauds) / (calibrated.rows + later.rows)
    error = math.sqrt(together * (1 - together) * (1 / calibrated.rows + 1 / later.rows))
    if abs(q - p) > _BEYOND_CHANCE * error:
        yield (
            f"the share of fraud {later.where} is {per_cent(q)}, against {per_cent(p)} {calibrated.where}, "
            f"{number(q / p)} times as much: probabilities are off by about as much"
        )


def too_many_alerts(alerts_per_day: float, days: float, settings: ThresholdSettings) -> Iterator[str]:
    """Gives a sentence where alerts a day exceed the budget by more than `thresholds.max_alert_excess`."""
    budget = settings.review_alerts_per_day
    if settings.method != "cost" and alerts_per_day > budget * (1 + settings.max_alert_excess):
        yield (
            f"on the newest {number(days)} days, whose labels are not known yet, the served fit gives "
            f'{alerts_per_day:,.1f} alerts a day, and {budget:g} are asked for: thresholds.method = "rank" '
            "keeps to the budget there"
        )


def change_warnings(
    served: ServedModel,
    calibrate: Window,
    test: Window,
    held_out: Window,
    newest: Newest | None,
    settings: TrainerSettings,
) -> tuple[str, ...]:
    """Returns what the verdict is to warn of, a sentence each.

    calibrate, test: windows of the judged fit; held_out: rows on which the served one was calibrated; newest:
    with the columns of the other windows.
    """
    factor = settings.calibration.max_share_change
    judged = Share.of(calibrate.label, "where the judged fit was calibrated")
    found = list(moved_share(judged, Share.of(test.label, "on the test window"), factor))
    if newest is None:
        return tuple(found)
    probability = run(session(served.onnx), served.inputs(newest.rows))
    calibrated = Share.of(held_out.label, "where the served fit was calibrated")
    if not settings.calibration.prior_shift:
        seems = estimated_share(probability, calibrated.value)
        where = f"on the newest {number(newest.days)} days, by an estimate without labels,"
        if beyond_chance(probability, calibrated.value, seems):
            later = Share(seems * len(probability), len(probability), where)
            found += moved_share(calibrated, later, factor)
    alerts = int((probability >= np.float32(served.thresholds.review)).sum()) / newest.days
    found += too_many_alerts(alerts, newest.days, settings.thresholds)
    return tuple(found)
