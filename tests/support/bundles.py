"""Small real bundles: ONNX models of a few nodes, written and signed as the trainer writes its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from kuntur.bundle.bundle import (
    Manifest,
    Refit,
    Thresholds,
    TrainingWindow,
    feature_uses,
    write_bundle,
)
from kuntur.features import catalogue_fingerprint

FEATURES = ("amount", "log_amount", "account_count_24h", "attribute.risk_band")
_OPSET = 17


def linear_model(weights: Sequence[float], bias: float = 0.0) -> bytes:
    """Returns a model with probability = sigmoid(weights · features + bias), unset features counting 0."""
    width = len(weights)
    nodes = [
        helper.make_node("IsNaN", ["features"], ["unset"]),
        helper.make_node("Where", ["unset", "zero", "features"], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "bias"], ["margin"]),
        helper.make_node("Sigmoid", ["margin"], ["column"]),
        helper.make_node("Squeeze", ["column", "axes"], ["probability"]),
    ]
    constants = {
        "zero": np.float32(0.0),
        "weights": np.array(weights, dtype=np.float32).reshape(width, 1),
        "bias": np.float32(bias),
        "axes": np.array([1], dtype=np.int64),
    }
    return onnx_model(nodes, constants, width)


def constant_model(probability: float, width: int) -> bytes:
    """Returns a model that gives every transaction the same probability."""
    nodes = [
        helper.make_node("Shape", ["features"], ["shape"], end=1),
        helper.make_node("Expand", ["value", "shape"], ["probability"]),
    ]
    return onnx_model(nodes, {"value": np.array([probability], dtype=np.float32)}, width)


def endless_model(width: int) -> bytes:
    """Returns a model of so many features with a loop that never ends."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["still"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    nodes: list[object] = [
        helper.make_node("Loop", ["", "yes", "features"], ["looped"], body=body),
        helper.make_node("ReduceMean", ["looped"], ["probability"], axes=[1], keepdims=0),
    ]
    return onnx_model(nodes, {"yes": np.array(True)}, width)


def huge_model(width: int) -> bytes:
    """Returns a small file of a model that makes a tensor of 16 GiB."""
    shape = helper.make_node(
        "ConstantOfShape", ["shape"], ["huge"],
        value=numpy_helper.from_array(np.array([1.0], dtype=np.float32)),
    )  # fmt: skip
    nodes: list[object] = [
        shape,
        helper.make_node("ReduceMean", ["huge"], ["one"], keepdims=0),
        helper.make_node("ReduceMean", ["features"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["mean", "one"], ["probability"]),
    ]
    return onnx_model(nodes, {"shape": np.array([1 << 32], dtype=np.int64)}, width)


def onnx_model(
    nodes: list[object],
    constants: dict[str, npt.NDArray[np.generic] | np.generic],
    width: int,
    *,
    input_name: str = "features",
    output_name: str = "probability",
    output_type: int = TensorProto.FLOAT,
) -> bytes:
    """Returns a serialised model over float32 [n, width] and with an output [n]."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info(output_name, output_type, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
    return bytes(model.SerializeToString())


def sigmoid(margin: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Returns the logistic function as float32."""
    return (1.0 / (1.0 + np.exp(-margin))).astype(np.float32)


def golden_features(width: int) -> npt.NDArray[np.float32]:
    """Returns 16 inputs, float32 [16, width], with unset values among them."""
    features = np.random.default_rng(7).normal(size=(16, width)).astype(np.float32)
    features[3, 0] = np.nan
    features[5, :] = np.nan
    return features


def manifest(version: str, features: Sequence[str] = FEATURES, **changes: object) -> Manifest:
    """Returns a manifest as a trainer would write it, with thresholds 0.5 and 0.9."""
    fields: dict[str, object] = {
        "model_version": version,
        "algorithm": "test",
        "features": feature_uses(tuple(features)),
        "catalogue_fingerprint": catalogue_fingerprint(),
        "window": TrainingWindow(
            train_start_time="2024-01-01T00:00:00Z",
            train_end_time="2024-03-01T00:00:00Z",
            validation_start_time="2024-03-08T00:00:00Z",
            validation_end_time="2024-04-01T00:00:00Z",
            label_delay_days=7.0,
        ),
        "data_hash": "0" * 64,
        "row_count": 1000,
        "fraud_count": 10,
        "metrics": {"average_precision": 0.5},
        "thresholds": Thresholds(review=0.5, decline=0.9, rationale="for tests"),
        "parameters": {},
        "parity": {},
        "library_versions": {},
        "git_revision": "",
    }
    return Manifest.model_validate(fields | changes)


def publish(
    registry: Path,
    version: str,
    *,
    weights: Sequence[float] = (0.001, 0.1, 0.2, 1.0),
    bias: float = -1.0,
    features: Sequence[str] = FEATURES,
    live: bool = True,
    **changes: object,
) -> Path:
    """Writes a linear model's bundle and, unless told otherwise, chooses it; changes: to its manifest."""
    inputs = golden_features(len(features))
    margin = np.nan_to_num(inputs.astype(np.float64)) @ np.array(weights) + bias
    return _write(
        registry,
        manifest(version, features, **changes),
        linear_model(weights, bias),
        inputs,
        sigmoid(margin),
        live,
    )


def publish_refitted(
    registry: Path, version: str, *, judged: Sequence[float], served: Sequence[float], bias: float, until: str
) -> Path:
    """Chooses a linear model that learnt until a moment, beside the fit of other weights that was judged."""
    from kuntur.bundle.bundle import Registry

    inputs = golden_features(len(served))
    margin = np.nan_to_num(inputs.astype(np.float64)) @ np.array(served) + bias
    path = write_bundle(
        registry,
        manifest(version, refit=refit(until)),
        linear_model(served, bias),
        inputs,
        sigmoid(margin),
        {"card.md": b"A model for tests.\n"},
        judged=linear_model(judged, bias),
    )
    Registry(registry).set_live(version)
    return path


def refit(until: str, **changes: object) -> Refit:
    """Returns what a manifest tells of a fit that learnt until a moment; REVIEW of the judged one is 0.25."""
    fields: dict[str, object] = {
        "train_start_time": "2024-01-01T00:00:00Z",
        "train_end_time": until,
        "labels_time": "2024-04-08T00:00:00Z",
        "row_count": 900,
        "fraud_count": 9,
        "held_out_start_time": "2024-03-20T00:00:00Z",
        "held_out_days": 7.0,
        "judged_thresholds": Thresholds(review=0.25, decline=0.75, rationale="for tests"),
        "judged_parity": {"rows": 4.0},
    }
    return Refit.model_validate(fields | changes)


def publish_constant(registry: Path, version: str, probability: float, *, live: bool = True) -> Path:
    """Writes the bundle of a model that always gives `probability` and, unless told otherwise, chooses it."""
    inputs = golden_features(len(FEATURES))
    scores = np.full(len(inputs), probability, dtype=np.float32)
    model = constant_model(probability, len(FEATURES))
    return _write(registry, manifest(version), model, inputs, scores, live)


def publish_model(registry: Path, version: str, model: bytes) -> Path:
    """Chooses a model that was never tried: its golden scores are made up."""
    width = len(FEATURES)
    scores = np.full(16, 0.5, dtype=np.float32)
    return _write(registry, manifest(version), model, golden_features(width), scores, live=True)


def _write(
    registry: Path,
    described: Manifest,
    model: bytes,
    inputs: npt.NDArray[np.float32],
    scores: npt.NDArray[np.float32],
    live: bool,
) -> Path:
    from kuntur.bundle.bundle import Registry

    registry.mkdir(parents=True, exist_ok=True)
    path = write_bundle(registry, described, model, inputs, scores, {"card.md": b"A model for tests.\n"})
    if live:
        Registry(registry).set_live(described.model_version)
    return path


def publish_passing_on(registry: Path, version: str) -> Path:
    """Chooses a model that gives as its probability whatever `attribute.risk_band` is, NaN and 7 too."""
    width = len(FEATURES)
    nodes: list[object] = [
        helper.make_node("Slice", ["features", "start", "end", "axis"], ["column"]),
        helper.make_node("Squeeze", ["column", "axis"], ["probability"]),
    ]
    constants: dict[str, npt.NDArray[np.generic] | np.generic] = {
        "start": np.array([FEATURES.index("attribute.risk_band")], dtype=np.int64),
        "end": np.array([FEATURES.index("attribute.risk_band") + 1], dtype=np.int64),
        "axis": np.array([1], dtype=np.int64),
    }
    inputs = np.random.default_rng(7).uniform(size=(16, width)).astype(np.float32)
    scores = inputs[:, FEATURES.index("attribute.risk_band")].copy()
    return _write(registry, manifest(version), onnx_model(nodes, constants, width), inputs, scores, live=True)
