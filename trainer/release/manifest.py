"""The manifest of a bundle and the name it goes by, built once from the parts that own what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from kuntur.bundle.bundle import (
    BundleRefusedError,
    Manifest,
    PhaseCost,
    Refit,
    Registry,
    TrainingWindow,
    feature_uses,
    read_bundle,
)
from kuntur.features import catalogue_fingerprint
from kuntur.tables import Table
from kuntur.time_zone import DEFAULT_TIME_ZONE
from trainer.dataset.training_set import Dataset
from trainer.gate import Verdict
from trainer.origin import git_revision, library_versions
from trainer.phases import Phase
from trainer.release.candidate import ServedModel
from trainer.settings.judging import GateSettings
from trainer.sources.split import Split, iso


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a model learnt from: transactions and labels by their hash, where in time, in which zone.

    window: of the judged fit; refit: what is told of the one that is served, where that is another;
    judged_sha256: of the judged one's graph then.
    """

    data_hash: str
    window: TrainingWindow
    row_count: int
    fraud_count: int
    time_zone: str = DEFAULT_TIME_ZONE
    refit: Refit | None = None
    judged_sha256: str = ""

    @classmethod
    def of(cls, table: Table, dataset: Dataset, split: Split) -> TrainingData:
        """Describes the data set that was made from a table and cut."""
        window = TrainingWindow(
            train_start_time=iso(split.train_start_us),
            train_end_time=iso(split.train_end_us),
            validation_start_time=iso(split.select_start_us),
            validation_end_time=iso(split.test_end_us),
            label_delay_days=split.label_delay_days,
        )
        frauds = int(dataset.is_fraud.sum())
        return cls(table.data_hash, window, len(dataset), frauds, dataset.zone.name)

    def refitted(self, told: Refit, judged: ServedModel) -> TrainingData:
        """Returns it for a model that was fitted again; judged: the fit that its figures are of."""
        return replace(self, refit=told, judged_sha256=hashlib.sha256(judged.onnx).hexdigest())


@dataclass(frozen=True, slots=True)
class BundleName:
    """A model's version, and the version that it is judged against, empty without one."""

    version: str
    replaces: str


def model_version(model: ServedModel, data: TrainingData, gate: GateSettings, replaces: str) -> str:
    """Names a model by the end of its test window and the hash of what it is.

    The same model judged by other settings, or against another model, has another name, since what its bundle
    says of the verdict never changes.
    """
    digest = hashlib.sha256(model.onnx)
    digest.update(json.dumps([model.thresholds.model_dump(), data.data_hash]).encode())
    digest.update(json.dumps([gate.model_dump(mode="json"), replaces], sort_keys=True).encode())
    if data.refit is not None:
        thresholds = data.refit.judged_thresholds.model_dump()
        digest.update(json.dumps([data.judged_sha256, thresholds]).encode())
    if data.time_zone != DEFAULT_TIME_ZONE:  # models from before zones were named keep their names
        digest.update(data.time_zone.encode())
    day = data.window.validation_end_time[:10].replace("-", "")
    return f"{day}-{model.algorithm}-{digest.hexdigest()[:10]}"


def name_beside_live(
    model: ServedModel, data: TrainingData, gate: GateSettings, registry: Registry
) -> BundleName:
    """Names a model as it is judged now: against the live one.

    The very model that is live, trained again, keeps its name and what it once replaced, if its bundle is
    whole.
    """
    live = registry.live_version()
    if live is not None:
        try:
            once_replaced = read_bundle(registry.bundle_path(live)).manifest.replaces
        except BundleRefusedError:
            pass
        else:
            if model_version(model, data, gate, once_replaced) == live:
                return BundleName(live, once_replaced)
    replaces = live or ""
    return BundleName(model_version(model, data, gate, replaces), replaces)


def build_manifest(
    name: BundleName,
    model: ServedModel,
    data: TrainingData,
    metrics: dict[str, float],
    verdict: Verdict,
    published: datetime | None = None,
) -> Manifest:
    """Returns the manifest, but for the files, which `write_bundle` fills in.

    metrics: of the judged fit on the test window, by name; published: an aware time, None leaves it untold.
    """
    return Manifest(
        model_version=name.version,
        algorithm=model.algorithm,
        features=feature_uses(model.feature_names),
        catalogue_fingerprint=catalogue_fingerprint(),
        time_zone=data.time_zone,
        window=data.window,
        refit=data.refit,
        data_hash=data.data_hash,
        row_count=data.row_count,
        fraud_count=data.fraud_count,
        metrics=metrics,
        thresholds=model.thresholds,
        parameters=dict(model.parameters),
        parity=model.parity,
        library_versions=library_versions(),
        git_revision=git_revision(),
        role="champion" if verdict.promoted else "challenger",
        replaces=name.replaces,
        verdict=verdict.text,
        published_time="" if published is None else _iso(published),
    )


def with_phases(manifest: Manifest, phases: Sequence[Phase]) -> Manifest:
    """Returns the manifest with what the phases of the run took, those until its bundle is written."""
    costs = tuple(PhaseCost(**(asdict(phase) | {"seconds": round(phase.seconds, 3)})) for phase in phases)
    return manifest.model_copy(update={"phases": costs})


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
