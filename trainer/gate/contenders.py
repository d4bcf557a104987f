"""Who is compared, and on what: the exported models, each with its own features, on the same newest rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import (
    BundleRefusedError,
    Manifest,
    Registry,
    Thresholds,
    check_time_zone,
    read_bundle,
    read_judged,
)
from kuntur.time_zone import TimeZone, time_zone
from trainer.confined.model import ModelRunError, RunLimits, confined_scores
from trainer.confined.session import run, session
from trainer.dataset.features import Features
from trainer.dataset.training_set import Dataset
from trainer.evaluation.drift import Drift
from trainer.evaluation.segments import Segment

_DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class JudgingWindow:
    """The newest labelled rows, of which the challenger learnt nothing.

    held: features, n rows and len(names) columns, to be read; event_time_us, account: int64 [n]; label: bool
    [n]; amount: float64 [n], units of one currency; segments: of the same rows; start_us, end_us: between
    which they lie; zone: in which the features count hours and days.
    """

    held: Features
    names: tuple[str, ...]
    event_time_us: npt.NDArray[np.int64]
    label: npt.NDArray[np.bool_]
    amount: npt.NDArray[np.float64]
    account: npt.NDArray[np.int64]
    segments: Mapping[str, Segment]
    start_us: int
    end_us: int
    zone: TimeZone = field(default_factory=time_zone)

    @classmethod
    def of(
        cls, dataset: Dataset, rows: npt.NDArray[np.int64], start_us: int, end_us: int, until_us: int
    ) -> JudgingWindow:
        """Takes rows of a data set, with their labels as they were known at `until_us`."""
        return cls(
            dataset.features.take(rows),
            dataset.names,
            dataset.event_time_us[rows],
            dataset.labels_at(until_us)[rows],
            dataset.amount[rows],
            dataset.account[rows],
            {name: segment.rows(rows) for name, segment in dataset.segments.items()},
            start_us,
            end_us,
            dataset.zone,
        )

    def __len__(self) -> int:
        return len(self.label)

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.end_us - self.start_us) / _DAY_US

    def rows_since(self, time_us: int) -> npt.NDArray[np.bool_]:
        """Returns which rows are of this moment or later, bool [n]."""
        return self.event_time_us >= time_us

    def since(self, time_us: int) -> JudgingWindow:
        """Returns the rows from a moment on; all of them when it lies before the start."""
        if time_us <= self.start_us:
            return self
        rows = self.rows_since(time_us)
        return JudgingWindow(
            self.held.take(rows),
            self.names,
            self.event_time_us[rows],
            self.label[rows],
            self.amount[rows],
            self.account[rows],
            {name: segment.rows(rows) for name, segment in self.segments.items()},
            min(time_us, self.end_us),
            self.end_us,
            self.zone,
        )

    def inputs(self, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns the columns that a model takes, float32 [n, len(names)], names in its order.

        Raises KeyError with the first name that the rows do not have.
        """
        known = {name: column for column, name in enumerate(self.names)}
        return self.held.only(np.array([known[name] for name in names], dtype=np.intp)).load()


@dataclass(frozen=True, slots=True)
class Challenger:
    """The new model. importance: float64 [features]; drifts: of its features; parity: by `check_parity`.

    Made by this very process, which therefore runs it itself.
    """

    model_version: str
    model: bytes
    feature_names: tuple[str, ...]
    importance: npt.NDArray[np.float64]
    drifts: tuple[Drift, ...]
    parity: Mapping[str, float]

    def scores(self, window: JudgingWindow) -> npt.NDArray[np.float32]:
        """Returns its scores of a window's rows, float32 [n]. Raises ValueError for what are none."""
        if not len(window):
            return np.zeros(0, dtype=np.float32)
        scores = run(session(self.model), window.inputs(self.feature_names))
        if scores.shape != (len(window),) or not np.isfinite(scores).all():
            raise ValueError("its scores are not one finite number a row")
        return scores


@dataclass(frozen=True, slots=True)
class Champion:
    """The live model: what its bundle says of it, and scores of the window's rows, float32 [n].

    served: whether they are of the fit that is served, rather than of the one that its figures are of.
    """

    manifest: Manifest
    scores: npt.NDArray[np.float32]
    served: bool = False

    @property
    def thresholds(self) -> Thresholds:
        """Thresholds of the fit whose scores these are."""
        return self.manifest.thresholds if self.served else self.manifest.judged_thresholds

    @property
    def learnt_until(self) -> str:
        """End of the transactions that this fit learnt from, ISO 8601."""
        return self.manifest.train_end_time if self.served else self.manifest.window.train_end_time

    def unseen(self, window: JudgingWindow) -> JudgingWindow:
        """Returns the rows of a window that this fit did not learn from."""
        return window.since(microseconds(self.learnt_until))


@dataclass(frozen=True, slots=True)
class NoChampion:
    """Nothing to compare with. reason: in words; model_version: of a live one that cannot be, or empty."""

    model_version: str
    reason: str


def live_champion(
    registry: Registry, window: JudgingWindow, limits: RunLimits, *, served: bool = False
) -> Champion | NoChampion:
    """Reads the live model and has it score the window's rows, in a process of its own.

    served: take the fit that is served; else the one that was judged, where it was fitted again since.
    One that is missing, damaged, of features that this code or these data do not have or have in another
    time zone, or that takes more time or memory than `limits`, is no champion.
    """
    version = registry.live_version()
    if version is None:
        return NoChampion("", "the registry has no live model")
    try:
        bundle = read_bundle(registry.bundle_path(version))
        check_time_zone(bundle.manifest, window.zone)
        model = bundle.model if served else read_judged(bundle)
        scores = confined_scores(model, window.inputs(bundle.manifest.feature_names), limits)
    except (BundleRefusedError, OSError) as error:
        return NoChampion(version, f"the live model {version} cannot be read ({error})")
    except KeyError as error:
        return NoChampion(
            version, f"the live model {version} needs {error.args[0]}, which these data do not have"
        )
    except ModelRunError as error:
        return NoChampion(version, f"the live model {version} cannot be run ({error})")
    if not np.isfinite(scores).all():
        return NoChampion(version, f"the live model {version} gives some rows scores that are not numbers")
    return Champion(bundle.manifest, scores, served)


def microseconds(time: str) -> int:
    """Returns a moment in ISO 8601 as microseconds since the epoch."""
    return round(datetime.fromisoformat(time).timestamp() * 1_000_000)
