"""The models of a server, as values, and how they are read from the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from kuntur.api.v1 import model_pb2
from kuntur.values import time_from_proto


class ModelState(IntEnum):
    """What the server does with a model; the numbers are those of the protobuf enum."""

    UNSPECIFIED = 0
    AVAILABLE = 1
    LIVE = 2
    REFUSED = 3

    @classmethod
    def _missing_(cls, value: object) -> ModelState:  # noqa: ARG003 (the signature is of Enum)
        # A newer server may know a state that this client does not.
        return cls.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class ModelRefusal:
    """Why a model may not go live."""

    reason: str
    """Name from `ModelRefusalReason` without its prefix, such as "HASH_MISMATCH"."""

    message: str
    """The same in a sentence: which file, feature or row."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the registry."""

    model_version: str
    state: ModelState
    refusal: ModelRefusal | None
    """Set when the state is REFUSED."""

    algorithm: str
    """Kind of estimator, such as "xgboost"."""

    train_start_time: datetime | None
    train_end_time: datetime | None
    """Span of the transactions it learnt from; the end is exclusive."""

    feature_names: tuple[str, ...]
    """Its features, in the order of its input."""

    metrics: Mapping[str, float]
    """Figures on the test window, by name; of the fit that was judged, where it was fitted again since."""

    review_threshold: float
    decline_threshold: float
    """Probabilities from which a transaction is to be reviewed, and declined."""

    live_since_time: datetime | None
    """When it went live in this server."""

    signers: tuple[str, ...] = ()
    """Who signed it, by the names of the server's policy; only of the model that scores."""


def model_from_proto(message: model_pb2.Model) -> Model:
    """Reads a model from the wire."""
    return Model(
        model_version=message.model_version,
        state=ModelState(message.state),
        refusal=_refusal(message.refusal) if message.HasField("refusal") else None,
        algorithm=message.algorithm,
        train_start_time=time_from_proto(message.train_start_time)
        if message.HasField("train_start_time")
        else None,
        train_end_time=time_from_proto(message.train_end_time)
        if message.HasField("train_end_time")
        else None,
        feature_names=tuple(message.feature_names),
        metrics=dict(message.metrics),
        review_threshold=message.review_threshold,
        decline_threshold=message.decline_threshold,
        live_since_time=time_from_proto(message.live_since_time)
        if message.HasField("live_since_time")
        else None,
        signers=tuple(message.signers),
    )


def _refusal(message: model_pb2.ModelRefusal) -> ModelRefusal:
    known = model_pb2.ModelRefusalReason.DESCRIPTOR.values_by_number.get(message.reason)
    name = known.name.removeprefix("MODEL_REFUSAL_REASON_") if known else f"REASON_{message.reason}"
    return ModelRefusal(name, message.message)
