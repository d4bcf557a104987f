from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_APPROVE: _ClassVar[Decision]
    DECISION_REVIEW: _ClassVar[Decision]
    DECISION_DECLINE: _ClassVar[Decision]

class ReasonsMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASONS_MODE_UNSPECIFIED: _ClassVar[ReasonsMode]
    REASONS_MODE_ALL: _ClassVar[ReasonsMode]
    REASONS_MODE_NONE: _ClassVar[ReasonsMode]
DECISION_UNSPECIFIED: Decision
DECISION_APPROVE: Decision
DECISION_REVIEW: Decision
DECISION_DECLINE: Decision
REASONS_MODE_UNSPECIFIED: ReasonsMode
REASONS_MODE_ALL: ReasonsMode
REASONS_MODE_NONE: ReasonsMode

class Reason(_message.Message):
    __slots__ = ("feature", "value", "contribution", "description")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    feature: str
    value: float
    contribution: float
    description: str
    def __init__(self, feature: _Optional[str] = ..., value: _Optional[float] = ..., contribution: _Optional[float] = ..., description: _Optional[str] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("transaction_id", "fraud_probability", "decision", "reasons", "model_version", "replayed")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    FRAUD_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    fraud_probability: float
    decision: Decision
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    model_version: str
    replayed: bool
    def __init__(self, transaction_id: _Optional[str] = ..., fraud_probability: _Optional[float] = ..., decision: _Optional[_Union[Decision, str]] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., model_version: _Optional[str] = ..., replayed: _Optional[bool] = ...) -> None: ...

class ScoreResult(_message.Message):
    __slots__ = ("score", "status")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    score: Score
    status: _status_pb2.Status
    def __init__(self, score: _Optional[_Union[Score, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
