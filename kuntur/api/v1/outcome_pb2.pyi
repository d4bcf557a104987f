import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutcomeLabel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_LABEL_UNSPECIFIED: _ClassVar[OutcomeLabel]
    OUTCOME_LABEL_FRAUD: _ClassVar[OutcomeLabel]
    OUTCOME_LABEL_LEGITIMATE: _ClassVar[OutcomeLabel]
OUTCOME_LABEL_UNSPECIFIED: OutcomeLabel
OUTCOME_LABEL_FRAUD: OutcomeLabel
OUTCOME_LABEL_LEGITIMATE: OutcomeLabel

class Outcome(_message.Message):
    __slots__ = ("transaction_id", "institution_id", "label", "reported_time")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    INSTITUTION_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    REPORTED_TIME_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    institution_id: str
    label: OutcomeLabel
    reported_time: _timestamp_pb2.Timestamp
    def __init__(self, transaction_id: _Optional[str] = ..., institution_id: _Optional[str] = ..., label: _Optional[_Union[OutcomeLabel, str]] = ..., reported_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
