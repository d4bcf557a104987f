"""What a run hands over for the validator's file: plain values and arrays, no objects of the run.

A part that a run did not make is None, and the card says that it was not made. How it is shown is left to
`document` (JSON) and `page` (HTML).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Manifest
from trainer.settings.recording import CardSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class TestWindow:
    """The scored rows of the window that taught, chose and calibrated nothing.

    label: bool [n]; probability: float32 [n], calibrated; amount: float64 [n], units of `currency`, 0 for a
    transaction in another; days: length of the window.
    """

    __test__ = False  # not a test case, whatever its name begins with

    label: npt.NDArray[np.bool_]
    probability: npt.NDArray[np.float32]
    amount: npt.NDArray[np.float64]
    days: float
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known of a model when its bundle is written."""

    manifest: Manifest
    """What the bundle says of the model: name, inputs, data, figures, thresholds, origin."""
    card: CardSettings
    """Owner, approver, contact, purpose, limits."""
    test: TestWindow | None = None
    """The scored test rows, for the curves."""
    sources: Sequence[str] = ()
    """Where the data came from, in words: files, tables, mapping. Passwords in addresses are taken out."""
    importance: npt.NDArray[np.float64] | None = None
    """Weight of each of `feature_names`, float64 [features], adding up to 1."""
    intervals: Mapping[str, tuple[float, float, float]] | None = None
    """(value, low, high) of the figures that have an interval, by the names of `metrics`; low and
    high are NaN where the window has nothing of which a figure is a share."""
    interval_note: str = ""
    """How the intervals were made: level, replicates, what was drawn together, what has none and why."""
    quality: Mapping[str, Any] | None = None
    """`quality_profile` of the table, with what was lost of a journal."""
    checks: Mapping[str, Any] | None = None
    """Report of the declared checks, as JSON holds it."""
    trials: Sequence[Mapping[str, Any]] | None = None
    """Every trial, as in `search.json`: `parameters`, `average_precision` (absent when it failed before a
    result), any other figures by name; `number` of its start, without which no history is drawn; `chosen`
    for the one that was fitted, the best when none says so."""
    choice: str = ""
    """Why that one was chosen, in words."""
    calibration: Mapping[str, Any] | str | None = None
    """How scores of the judged fit become probabilities: method, values, rows."""
    refit_calibration: Mapping[str, Any] | None = None
    """The same of the fit that is served, where it is another."""
    leakage: Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | None = None
    """What the leakage check looked at and found."""
    drift: Sequence[Mapping[str, Any]] | None = None
    """For each feature `name`, `psi` and `bins`: each with `training` and `test` (shares) and `label`, or
    `low` and `high`."""
    segments: Sequence[Mapping[str, Any]] | None = None
    """For each segment `segment` (channel, type, institution), `name`, and figures by name."""
    known_accounts: Mapping[str, Any] | None = None
    """Test rows of accounts known to be compromised: `rows`, `frauds`, and figures `without` them."""
    verdict: Mapping[str, Any] | None = None
    """Champion against challenger: `promoted`, `forced`, `text`, `findings` (`name`, `passed`, `text`,
    `figures`)."""
    champion: Manifest | None = None
    """Manifest of the model that was live, where the two could be compared."""
    champion_metrics: Mapping[str, float] | None = None
    """Its figures on this model's test window, where they were made."""
    traces: Sequence[str] = ()
    """What was let pass against a check: accepted leak columns, a publication by force."""
    reasons: str = ""
    """How the reasons of a score are computed, and what that costs; "" when the bundle gives none."""
    settings: Mapping[str, Any] | None = None
    """Settings of the run; secrets are taken out here too."""
    validation: Mapping[str, Any] | None = None
    """What a validator asks beyond the test window: `trainer.validation`'s document."""
    signing_key: str = ""
    """Id of the key with which the trainer signs the bundle; "" when it does not."""
