"""ModelService: records of the registry as messages."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf import timestamp_pb2

from kuntur.api.v1 import model_pb2, model_service_pb2
from kuntur.values import time_to_proto
from server.models import ModelListing, ModelRecord


class ModelEndpoint:
    """Answers ListModels, GetModel and GetLiveModel."""

    def __init__(self, listing: ModelListing) -> None:
        self._listing = listing

    def list_models(self, _: model_service_pb2.ListModelsRequest) -> model_service_pb2.ListModelsResponse:
        """Lists the models, newest first."""
        return model_service_pb2.ListModelsResponse(models=map(_to_proto, self._listing.all()))

    def get_model(self, request: model_service_pb2.GetModelRequest) -> model_service_pb2.GetModelResponse:
        """Returns one model."""
        return model_service_pb2.GetModelResponse(model=_to_proto(self._listing.get(request.model_version)))

    def get_live_model(
        self, _: model_service_pb2.GetLiveModelRequest
    ) -> model_service_pb2.GetLiveModelResponse:
        """Returns the model that scores."""
        return model_service_pb2.GetLiveModelResponse(model=_to_proto(self._listing.live()))


def _to_proto(record: ModelRecord) -> model_pb2.Model:
    model = model_pb2.Model(
        model_version=record.model_version, state=getattr(model_pb2, f"MODEL_STATE_{record.state.value}")
    )
    if record.refusal is not None:
        reason, message = record.refusal
        model.refusal.reason = getattr(model_pb2, f"MODEL_REFUSAL_REASON_{reason}")
        model.refusal.message = message
    if record.live_since is not None:
        model.live_since_time.CopyFrom(time_to_proto(record.live_since))
    model.signers.extend(record.signers)
    manifest = record.manifest
    if manifest is not None:
        model.algorithm = manifest.algorithm
        model.feature_names.extend(manifest.feature_names)
        model.metrics.update(manifest.metrics)
        model.review_threshold = manifest.thresholds.review
        model.decline_threshold = manifest.thresholds.decline
        for field in ("train_start_time", "train_end_time"):
            time = _time(getattr(manifest, field))
            if time is not None:
                getattr(model, field).CopyFrom(time)
    return model


def _time(text: str) -> timestamp_pb2.Timestamp | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:  # the manifest's form does not bind its times; a strange one is left out
        return None
    return time_to_proto(time if time.tzinfo else time.replace(tzinfo=UTC))
