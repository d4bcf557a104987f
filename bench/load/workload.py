"""What is measured: a model of 200 trees of depth 6 on the whole catalogue, and what it scores."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clients.values.messages import messages_from_frame
from kuntur.api.v1 import history_service_pb2
from kuntur.bundle.bundle import Registry, Thresholds, TrainingWindow
from kuntur.features import FEATURE_NAMES, FeatureEngine, FeatureMatrix
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import to_batch
from kuntur.transaction import TransactionBatch
from trainer import calibration
from trainer.confined.session import run, session
from trainer.dataset.rows import TrainingRows
from trainer.export import build_explanation, build_onnx
from trainer.gate import Verdict
from trainer.models import FAMILIES
from trainer.release.candidate import ServedModel
from trainer.release.manifest import BundleName, TrainingData, build_manifest, model_version
from trainer.release.publish import publish
from trainer.settings.judging import GateSettings
from trainer.synthetic import SyntheticConfig, generate

_SEED = 11
_START = date(1995, 1, 1)  # far enough back that what is sent anew, later and later, never lies in the future
_WARM_ROWS = 100_000
_TREES, _DEPTH = 200, 6


@dataclass(frozen=True, slots=True)
class Workload:
    """Transactions in event order as columns and as messages: the first warm the server, the rest are load.

    features: float32 [n, catalogue], by replay.
    """

    batch: TransactionBatch
    features: FeatureMatrix
    raw: list[bytes]
    registry: Path
    onnx: bytes

    @property
    def load(self) -> slice:
        """The rows that are sent."""
        return slice(_WARM_ROWS, None)


def prepare(directory: Path, transactions: int, accounts: int, models: int = 1) -> Workload:
    """Generates transactions, fits the model and publishes it below `directory`, which is emptied.

    models: how many are published, each a little unlike the others; the last is live.
    """
    shutil.rmtree(directory, ignore_errors=True)
    frame = generate(
        SyntheticConfig(
            seed=_SEED, transactions=_WARM_ROWS + transactions, accounts=accounts, start=_START, days=90
        )
    )
    batch = to_batch(frame, secret_from_hex(DEFAULT_HASH_KEY))
    features = FeatureEngine().process(batch)
    label = frame["is_fraud"].to_numpy().astype(np.float32)
    for number in range(models):
        registry, onnx = _publish(
            directory / "registry", features[:_WARM_ROWS], label[:_WARM_ROWS], 0.1 + number / 1000
        )
    raw = [message.SerializeToString() for message in messages_from_frame(frame)]
    return Workload(batch, features, raw, registry, onnx)


def _publish(
    registry: Path, features: FeatureMatrix, label: npt.NDArray[np.float32], learning_rate: float
) -> tuple[Path, bytes]:
    weight, age_days = np.ones(len(label), dtype=np.float32), np.zeros(len(label), dtype=np.float32)
    rows = TrainingRows(features, label, weight, age_days)
    parameters: dict[str, str | int | float | bool | None] = {
        "algorithm": "xgboost",
        "rounds": _TREES,
        "max_depth": _DEPTH,
        "learning_rate": learning_rate,
        "min_child_weight": 0.1,
    }
    model = FAMILIES["xgboost"].fit(rows, parameters, threads=2, seed=_SEED)
    calibrated = calibration.fit(model.margin(features), label == 1)
    onnx = build_onnx(model, calibrated, features.shape[1])
    sample = features[:4096]
    served = ServedModel(
        parameters=parameters,
        feature_names=FEATURE_NAMES,
        columns=np.arange(features.shape[1]),
        importance=model.importance(),
        calibration=calibrated,
        onnx=onnx,
        explanation=build_explanation(model, calibrated, sample),
        parity={},
        thresholds=Thresholds(review=0.5, decline=0.9, rationale="fixed: this model is for measuring speed"),
        calibrate_features=sample,
        calibrate_probability=run(session(onnx), sample),
    )
    data = TrainingData("", _UNKNOWN_WINDOW, len(label), int(label.sum()))
    name = BundleName(model_version(served, data, GateSettings(), ""), "")
    publish(Registry(registry), build_manifest(name, served, data, {}, _UNJUDGED), served, {})
    return registry, onnx


_UNJUDGED = Verdict(True, False, "", (), "not judged: this model is for measuring speed")
_UNKNOWN_WINDOW = TrainingWindow(
    train_start_time="1970-01-01T00:00:00+00:00",
    train_end_time="1970-01-01T00:00:00+00:00",
    validation_start_time="1970-01-01T00:00:00+00:00",
    validation_end_time="1970-01-01T00:00:00+00:00",
    label_delay_days=0,
)


def _field_1(message: bytes) -> bytes:
    """Returns a message as the field 1 of another."""
    size = len(message)
    varint = bytearray()
    while size > 127:
        varint.append(size & 127 | 128)
        size >>= 7
    varint.append(size)
    return b"\x0a" + bytes(varint) + message


def grpc_frames(raw: list[bytes], transactions: int, mode: bytes = b"") -> bytes:
    """Returns messages as one request body of gRPC: frames of so many transactions, each with its prefix.

    mode: what each frame ends with, field 2 of the request.
    """
    parts = []
    for start in range(0, len(raw), transactions):
        frame = b"".join(_field_1(message) for message in raw[start : start + transactions]) + mode
        parts.append(struct.pack(">BI", 0, len(frame)) + frame)
    return b"".join(parts)


def warm_requests(raw: list[bytes]) -> list[history_service_pb2.BackfillRequest]:
    """Returns the rows that warm the server, as frames of a backfill."""
    frames = []
    for start in range(0, _WARM_ROWS, 4096):
        joined = b"".join(_field_1(message) for message in raw[start : min(start + 4096, _WARM_ROWS)])
        frames.append(history_service_pb2.BackfillRequest.FromString(joined))
    return frames
