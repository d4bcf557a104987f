from kuntur.api.v1 import score_pb2 as _score_pb2
from kuntur.api.v1 import transaction_pb2 as _transaction_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreTransactionRequest(_message.Message):
    __slots__ = ("transaction", "reasons_mode")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    REASONS_MODE_FIELD_NUMBER: _ClassVar[int]
    transaction: _transaction_pb2.Transaction
    reasons_mode: _score_pb2.ReasonsMode
    def __init__(self, transaction: _Optional[_Union[_transaction_pb2.Transaction, _Mapping]] = ..., reasons_mode: _Optional[_Union[_score_pb2.ReasonsMode, str]] = ...) -> None: ...

class ScoreTransactionResponse(_message.Message):
    __slots__ = ("score",)
    SCORE_FIELD_NUMBER: _ClassVar[int]
    score: _score_pb2.Score
    def __init__(self, score: _Optional[_Union[_score_pb2.Score, _Mapping]] = ...) -> None: ...

class ScoreStreamRequest(_message.Message):
    __slots__ = ("transactions", "reasons_mode")
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    REASONS_MODE_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[_transaction_pb2.Transaction]
    reasons_mode: _score_pb2.ReasonsMode
    def __init__(self, transactions: _Optional[_Iterable[_Union[_transaction_pb2.Transaction, _Mapping]]] = ..., reasons_mode: _Optional[_Union[_score_pb2.ReasonsMode, str]] = ...) -> None: ...

class ScoreStreamResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_score_pb2.ScoreResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_score_pb2.ScoreResult, _Mapping]]] = ...) -> None: ...
