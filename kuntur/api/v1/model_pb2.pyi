import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STATE_UNSPECIFIED: _ClassVar[ModelState]
    MODEL_STATE_AVAILABLE: _ClassVar[ModelState]
    MODEL_STATE_LIVE: _ClassVar[ModelState]
    MODEL_STATE_REFUSED: _ClassVar[ModelState]

class ModelRefusalReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_REFUSAL_REASON_UNSPECIFIED: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_INCOMPLETE: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_SIZE_MISMATCH: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_HASH_MISMATCH: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_MANIFEST_INVALID: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_FEATURE_UNKNOWN: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_FEATURE_CHANGED: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_NOT_LOADABLE: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_GOLDEN_MISMATCH: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_EXPLANATION_INVALID: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_TRIAL_FAILED: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_TOO_SLOW: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_SURPLUS_FILE: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_SIGNATURE_MISSING: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_SIGNATURE_INVALID: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_SIGNATURE_KEY_UNKNOWN: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_SIGNATURE_KEY_EXPIRED: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_SIGNATURE_BELOW_THRESHOLD: _ClassVar[ModelRefusalReason]
    MODEL_REFUSAL_REASON_MODEL_ROLLED_BACK: _ClassVar[ModelRefusalReason]
MODEL_STATE_UNSPECIFIED: ModelState
MODEL_STATE_AVAILABLE: ModelState
MODEL_STATE_LIVE: ModelState
MODEL_STATE_REFUSED: ModelState
MODEL_REFUSAL_REASON_UNSPECIFIED: ModelRefusalReason
MODEL_REFUSAL_REASON_INCOMPLETE: ModelRefusalReason
MODEL_REFUSAL_REASON_SIZE_MISMATCH: ModelRefusalReason
MODEL_REFUSAL_REASON_HASH_MISMATCH: ModelRefusalReason
MODEL_REFUSAL_REASON_MANIFEST_INVALID: ModelRefusalReason
MODEL_REFUSAL_REASON_FEATURE_UNKNOWN: ModelRefusalReason
MODEL_REFUSAL_REASON_FEATURE_CHANGED: ModelRefusalReason
MODEL_REFUSAL_REASON_NOT_LOADABLE: ModelRefusalReason
MODEL_REFUSAL_REASON_GOLDEN_MISMATCH: ModelRefusalReason
MODEL_REFUSAL_REASON_EXPLANATION_INVALID: ModelRefusalReason
MODEL_REFUSAL_REASON_TRIAL_FAILED: ModelRefusalReason
MODEL_REFUSAL_REASON_TOO_SLOW: ModelRefusalReason
MODEL_REFUSAL_REASON_SURPLUS_FILE: ModelRefusalReason
MODEL_REFUSAL_REASON_SIGNATURE_MISSING: ModelRefusalReason
MODEL_REFUSAL_REASON_SIGNATURE_INVALID: ModelRefusalReason
MODEL_REFUSAL_REASON_SIGNATURE_KEY_UNKNOWN: ModelRefusalReason
MODEL_REFUSAL_REASON_SIGNATURE_KEY_EXPIRED: ModelRefusalReason
MODEL_REFUSAL_REASON_SIGNATURE_BELOW_THRESHOLD: ModelRefusalReason
MODEL_REFUSAL_REASON_MODEL_ROLLED_BACK: ModelRefusalReason

class ModelRefusal(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: ModelRefusalReason
    message: str
    def __init__(self, reason: _Optional[_Union[ModelRefusalReason, str]] = ..., message: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("model_version", "state", "refusal", "algorithm", "train_start_time", "train_end_time", "feature_names", "metrics", "review_threshold", "decline_threshold", "live_since_time", "signers")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    TRAIN_START_TIME_FIELD_NUMBER: _ClassVar[int]
    TRAIN_END_TIME_FIELD_NUMBER: _ClassVar[int]
    FEATURE_NAMES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    REVIEW_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    DECLINE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LIVE_SINCE_TIME_FIELD_NUMBER: _ClassVar[int]
    SIGNERS_FIELD_NUMBER: _ClassVar[int]
    model_version: str
    state: ModelState
    refusal: ModelRefusal
    algorithm: str
    train_start_time: _timestamp_pb2.Timestamp
    train_end_time: _timestamp_pb2.Timestamp
    feature_names: _containers.RepeatedScalarFieldContainer[str]
    metrics: _containers.ScalarMap[str, float]
    review_threshold: float
    decline_threshold: float
    live_since_time: _timestamp_pb2.Timestamp
    signers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model_version: _Optional[str] = ..., state: _Optional[_Union[ModelState, str]] = ..., refusal: _Optional[_Union[ModelRefusal, _Mapping]] = ..., algorithm: _Optional[str] = ..., train_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., train_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., feature_names: _Optional[_Iterable[str]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., review_threshold: _Optional[float] = ..., decline_threshold: _Optional[float] = ..., live_since_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signers: _Optional[_Iterable[str]] = ...) -> None: ...
