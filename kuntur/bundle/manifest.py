"""The manifest of a bundle: what a model is, and whether this code computes its features as they were."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from kuntur.bundle.refusal import BundleRefusedError, RefusalReason
from kuntur.features import CATALOGUE
from kuntur.time_zone import DEFAULT_TIME_ZONE, TimeZone, checked_time_zone, time_zone
from kuntur.transaction import ATTRIBUTE_PREFIX

MANIFEST, MANIFEST_HASH = "manifest.json", "manifest.sha256"
MAX_MANIFEST_BYTES = 4 << 20


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _checked_time(text: str) -> str:
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("names no zone")
    return text


class FeatureUse(_Document):
    """A feature that a model uses."""

    name: str
    """Name in the catalogue, or `attribute.NAME`."""
    fingerprint: str
    """Fingerprint of its definition; empty for an attribute."""


class FileEntry(_Document):
    """A file of the bundle."""

    size_bytes: int = Field(ge=0)
    """Its size."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Its hash."""


class Thresholds(_Document):
    """Probabilities at which the advice changes, and why they lie there."""

    review: float = Field(ge=0, le=1)
    """At or above: REVIEW."""
    decline: float = Field(ge=0, le=1)
    """At or above: DECLINE; not below `review`."""
    rationale: str
    """How they were chosen, in words."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.decline < self.review:
            raise ValueError("decline lies below review")
        return self


class TrainingWindow(_Document):
    """Where in time the model learnt. Times are ISO 8601 in UTC, ends exclusive."""

    train_start_time: str
    """First transaction to learn from."""
    train_end_time: str
    """End of the transactions to learn from."""
    validation_start_time: str
    """Start of the later transactions on which it was chosen."""
    validation_end_time: str
    """Their end."""
    label_delay_days: float = Field(ge=0)
    """Time that labels are taken to need, between the end of training and the start of validation."""


class PhaseCost(_Document):
    """What a phase of the run that built a model took."""

    name: str
    """Its name."""
    seconds: float = Field(ge=0)
    """How long it took."""
    rows: int | None = Field(default=None, ge=0)
    """How many rows it worked on; null where there is no such number."""
    peak_bytes: int = Field(ge=0)
    """The most memory that the trainer's process held in it."""
    worker_peak_bytes: int = Field(ge=0)
    """The most that one of the processes held that it had started on its machine, without what they share;
    0 where there was none."""


class Refit(_Document):
    """The fit that is served, where that is not the one that was judged: the same settings, later rows.

    The figures of the manifest, and `window`, are of the judged one, which lies beside it as `judged.onnx`.
    Times are ISO 8601 in UTC, ends exclusive.
    """

    train_start_time: str
    """First transaction that the served fit learnt from."""
    train_end_time: str
    """End of the transactions that it learnt from."""
    labels_time: str
    """Moment whose knowledge its labels are."""
    row_count: int = Field(ge=0)
    """Transactions that it learnt from."""
    fraud_count: int = Field(ge=0)
    """Known frauds among them."""
    held_out_start_time: str
    """Start of its newest days, up to `train_end_time`, that a first fit left out: on them calibration and
    thresholds were settled, which the served fit keeps."""
    held_out_days: float = Field(gt=0)
    """How many days these are."""
    judged_thresholds: Thresholds
    """Thresholds of the judged fit, at which its figures were taken."""
    judged_parity: dict[str, float]
    """What the export gate compared and found of the judged fit."""


class Manifest(_Document):
    """What a model is."""

    format_version: Literal[1] = 1
    """Version of the bundle's form."""
    model_version: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    """Name of the model and of the bundle's directory."""
    algorithm: str
    """Kind of estimator."""
    features: tuple[FeatureUse, ...] = Field(min_length=1)
    """The model's inputs, in order."""
    catalogue_fingerprint: str
    """Fingerprint of the whole catalogue at training."""
    time_zone: Annotated[str, AfterValidator(checked_time_zone)] = DEFAULT_TIME_ZONE
    """IANA time zone in which features counted hours and days at training; bundles from before it was named
    have Peru's."""
    window: TrainingWindow
    """Where in time the fit learnt that `metrics` are of."""
    refit: Refit | None = None
    """The fit that is served, where that is another; none in a bundle that serves what was judged."""
    data_hash: str
    """Hash of the transactions and labels it learnt from."""
    row_count: int = Field(ge=0)
    """Transactions in the data."""
    fraud_count: int = Field(ge=0)
    """Frauds among them."""
    metrics: dict[str, float]
    """Figures of the judged fit on the test window, by name."""
    thresholds: Thresholds
    """Where the advice changes."""
    parameters: dict[str, str | int | float | bool | None]
    """Settings of the estimator and of its training."""
    parity: dict[str, float]
    """What the export gate compared and found of the served fit."""
    library_versions: dict[str, str]
    """Versions of what built it."""
    git_revision: str
    """Revision of the code that built it; empty when not known."""
    role: Literal["champion", "challenger"] = "champion"
    """Whether it was published to be live, or stays beside the live one."""
    replaces: str = ""
    """Version that was live when it was published, to which a rollback goes; empty without one."""
    verdict: str = ""
    """Why it has that role, in words."""
    published_time: Annotated[str, AfterValidator(_checked_time)] = ""
    """When it was built to be published, ISO 8601 in UTC; empty in bundles from before it was told. A server
    that asks for signatures goes back to no older model by itself."""
    phases: tuple[PhaseCost, ...] = ()
    """What each phase of its training took, in order; empty in bundles from before that was told."""
    files: dict[str, FileEntry] = Field(default_factory=dict)
    """Every file but the manifest and its hash, by path in the bundle."""

    @property
    def train_start_time(self) -> str:
        """First transaction that what is served learnt from."""
        return self.window.train_start_time if self.refit is None else self.refit.train_start_time

    @property
    def train_end_time(self) -> str:
        """End of the transactions that what is served learnt from."""
        return self.window.train_end_time if self.refit is None else self.refit.train_end_time

    @property
    def judged_thresholds(self) -> Thresholds:
        """Thresholds at which `metrics` were taken."""
        return self.thresholds if self.refit is None else self.refit.judged_thresholds

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(feature.name for feature in self.features)


def feature_uses(names: tuple[str, ...]) -> tuple[FeatureUse, ...]:
    """Returns the features of these names with their fingerprints. Raises KeyError for an unknown one."""
    fingerprints = {feature.name: feature.fingerprint for feature in CATALOGUE}
    return tuple(
        FeatureUse(name=name, fingerprint="" if name.startswith(ATTRIBUTE_PREFIX) else fingerprints[name])
        for name in names
    )


def check_features(manifest: Manifest) -> None:
    """Raises BundleRefusedError for a feature that this code lacks or defines otherwise."""
    known = {feature.name: feature.fingerprint for feature in CATALOGUE}
    for use in manifest.features:
        if use.name.startswith(ATTRIBUTE_PREFIX):
            continue
        if use.name not in known:
            raise BundleRefusedError(RefusalReason.FEATURE_UNKNOWN, f"there is no feature {use.name!r} here")
        if use.fingerprint != known[use.name]:
            message = f"feature {use.name!r} was trained under another definition ({use.fingerprint})"
            raise BundleRefusedError(RefusalReason.FEATURE_CHANGED, message)


def check_time_zone(manifest: Manifest, zone: TimeZone) -> None:
    """Raises BundleRefusedError for a feature in hours or days of another time zone than `zone`."""
    trained = time_zone(manifest.time_zone)
    if trained.agrees_with(zone):
        return
    local = {feature.name for feature in CATALOGUE if feature.local}
    for name in manifest.feature_names:
        if name in local:
            message = (
                f"feature {name!r} was trained in the time zone {trained.name} and is computed in "
                f"{zone.name} here: set institution.time_zone to the same for training and serving"
            )
            raise BundleRefusedError(RefusalReason.FEATURE_CHANGED, message)
