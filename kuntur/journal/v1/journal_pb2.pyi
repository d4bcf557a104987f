import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_KIND_UNSPECIFIED: _ClassVar[RequestKind]
    REQUEST_KIND_SCORE_TRANSACTION: _ClassVar[RequestKind]
    REQUEST_KIND_SCORE_STREAM: _ClassVar[RequestKind]
    REQUEST_KIND_REPORT_OUTCOMES: _ClassVar[RequestKind]
    REQUEST_KIND_BACKFILL: _ClassVar[RequestKind]
REQUEST_KIND_UNSPECIFIED: RequestKind
REQUEST_KIND_SCORE_TRANSACTION: RequestKind
REQUEST_KIND_SCORE_STREAM: RequestKind
REQUEST_KIND_REPORT_OUTCOMES: RequestKind
REQUEST_KIND_BACKFILL: RequestKind

class Entry(_message.Message):
    __slots__ = ("sequence", "written_time", "score_transaction", "score_stream", "report_outcomes", "backfill", "admission", "answer", "salt")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_TIME_FIELD_NUMBER: _ClassVar[int]
    SCORE_TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    SCORE_STREAM_FIELD_NUMBER: _ClassVar[int]
    REPORT_OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    ADMISSION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    written_time: _timestamp_pb2.Timestamp
    score_transaction: Exchange
    score_stream: Exchange
    report_outcomes: Exchange
    backfill: Exchange
    admission: Admission
    answer: Answer
    salt: bytes
    def __init__(self, sequence: _Optional[int] = ..., written_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., score_transaction: _Optional[_Union[Exchange, _Mapping]] = ..., score_stream: _Optional[_Union[Exchange, _Mapping]] = ..., report_outcomes: _Optional[_Union[Exchange, _Mapping]] = ..., backfill: _Optional[_Union[Exchange, _Mapping]] = ..., admission: _Optional[_Union[Admission, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ..., salt: _Optional[bytes] = ...) -> None: ...

class Exchange(_message.Message):
    __slots__ = ("request", "response")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    response: bytes
    def __init__(self, request: _Optional[bytes] = ..., response: _Optional[bytes] = ...) -> None: ...

class Admission(_message.Message):
    __slots__ = ("kind", "requests", "refused", "callers")
    KIND_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    CALLERS_FIELD_NUMBER: _ClassVar[int]
    kind: RequestKind
    requests: _containers.RepeatedScalarFieldContainer[bytes]
    refused: _containers.RepeatedScalarFieldContainer[int]
    callers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[_Union[RequestKind, str]] = ..., requests: _Optional[_Iterable[bytes]] = ..., refused: _Optional[_Iterable[int]] = ..., callers: _Optional[_Iterable[str]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("admission", "responses", "unscored", "kind")
    ADMISSION_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    UNSCORED_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    admission: int
    responses: _containers.RepeatedScalarFieldContainer[bytes]
    unscored: _containers.RepeatedScalarFieldContainer[int]
    kind: RequestKind
    def __init__(self, admission: _Optional[int] = ..., responses: _Optional[_Iterable[bytes]] = ..., unscored: _Optional[_Iterable[int]] = ..., kind: _Optional[_Union[RequestKind, str]] = ...) -> None: ...
