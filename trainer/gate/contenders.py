"""Who is compared, and on what: the exported models, each with its own features, on the same newest rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kuntur.bundle import BundleRefusedError, Manifest, Registry, check_time_zone, read_bundle
from kuntur.time_zone import TimeZone, time_zone
from trainer.dataset import Dataset
from trainer.drift import Drift
from trainer.export.parity import run, session
from trainer.segments import Segment

_DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class JudgingWindow:
    """The newest labelled rows, of which the challenger learnt nothing.

    features: float32 [n, len(names)]; event_time_us, account: int64 [n]; label: bool [n]; amount: float64
    [n], units of one currency; segments: of the same rows; start_us, end_us: between which they lie; zone: in
    which the features count hours and days.
    """

    features: npt.NDArray[np.float32]
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
            dataset.features[rows],
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

    def since(self, time_us: int) -> JudgingWindow:
        """Gives the rows from a moment on; all of them when it lies before the start."""
        if time_us <= self.start_us:
            return self
        rows = self.event_time_us >= time_us
        return JudgingWindow(
            self.features[rows],
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

    def score(self, model: bytes, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Gives an exported model's scores of the rows, float32 [n].

        names: its inputs in order. Raises KeyError with the first that the rows do not have, ValueError where
        the scores are no finite numbers, and whatever ONNX Runtime raises.
        """
        known = {name: column for column, name in enumerate(self.names)}
        columns = [known[name] for name in names]
        if not len(self):
            return np.zeros(0, dtype=np.float32)
        scores = run(session(model), np.ascontiguousarray(self.features[:, columns]))
        if scores.shape != (len(self),) or not np.isfinite(scores).all():
            raise ValueError("its scores are not one finite number a row")
        return scores


@dataclass(frozen=True, slots=True)
class Challenger:
    """The new model. importance: float64 [features]; drifts: of its features; parity: by `check_parity`."""

    model_version: str
    model: bytes
    feature_names: tuple[str, ...]
    importance: npt.NDArray[np.float64]
    drifts: tuple[Drift, ...]
    parity: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Champion:
    """The live model, as its bundle holds it."""

    manifest: Manifest
    model: bytes


@dataclass(frozen=True, slots=True)
class NoChampion:
    """Nothing to compare with. reason: in words; model_version: of a live one that cannot be, or empty."""

    model_version: str
    reason: str


def live_champion(registry: Registry, window: JudgingWindow) -> Champion | NoChampion:
    """Reads the live model, and runs it on a row of the window, so that judging finds it whole.

    One that is missing, damaged, or of features that this code or these data do not have, or have in another
    time zone, is no champion.
    """
    version = registry.live_version()
    if version is None:
        return NoChampion("", "the registry has no live model")
    try:
        bundle = read_bundle(registry.bundle_path(version))
        check_time_zone(bundle.manifest, window.zone)
        window.since(int(window.event_time_us[-1])).score(bundle.model, bundle.manifest.feature_names)
    except (BundleRefusedError, OSError) as error:
        return NoChampion(version, f"the live model {version} cannot be read ({error})")
    except KeyError as error:
        return NoChampion(
            version, f"the live model {version} needs {error.args[0]}, which these data do not have"
        )
    except Exception as error:  # whatever a damaged model makes the runtime raise, it is no champion
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        return NoChampion(version, f"the live model {version} cannot be run ({said})")
    return Champion(bundle.manifest, bundle.model)
