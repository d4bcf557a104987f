import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Entry(_message.Message):
    __slots__ = ("sequence", "written_time", "score_transaction", "score_stream", "report_outcomes", "backfill")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_TIME_FIELD_NUMBER: _ClassVar[int]
    SCORE_TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    SCORE_STREAM_FIELD_NUMBER: _ClassVar[int]
    REPORT_OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    written_time: _timestamp_pb2.Timestamp
    score_transaction: Exchange
    score_stream: Exchange
    report_outcomes: Exchange
    backfill: Exchange
    def __init__(self, sequence: _Optional[int] = ..., written_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., score_transaction: _Optional[_Union[Exchange, _Mapping]] = ..., score_stream: _Optional[_Union[Exchange, _Mapping]] = ..., report_outcomes: _Optional[_Union[Exchange, _Mapping]] = ..., backfill: _Optional[_Union[Exchange, _Mapping]] = ...) -> None: ...

class Exchange(_message.Message):
    __slots__ = ("request", "response")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    response: bytes
    def __init__(self, request: _Optional[bytes] = ..., response: _Optional[bytes] = ...) -> None: ...
