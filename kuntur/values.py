"""Values to messages and back, both directions side by side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import timestamp_pb2

from kuntur.api.v1 import transaction_pb2
from kuntur.fields.transaction import AMOUNT_MINOR, CHOICES, OPTIONALS, TEXTS
from kuntur.transaction import Transaction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_to_proto(time: datetime) -> timestamp_pb2.Timestamp:
    """Converts an aware time, to the microsecond. Raises ValueError for a naive one."""
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone")
    since = time - _EPOCH
    return timestamp_pb2.Timestamp(
        seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000
    )


def time_from_proto(time: timestamp_pb2.Timestamp) -> datetime:
    """Converts to an aware time in UTC, to the microsecond, rounding down."""
    return _EPOCH + timedelta(seconds=time.seconds, microseconds=time.nanos // 1_000)


_ENUM_FIELDS = {field.name: field.enum for field in CHOICES}
_OPTIONAL_FIELDS = tuple(field.name for field in OPTIONALS)
_PLAIN_FIELDS = (*(field.name for field in TEXTS), AMOUNT_MINOR.name)


def to_proto(transaction: Transaction) -> transaction_pb2.Transaction:
    """Converts a value to its message. Raises ValueError for a naive event time."""
    fields: dict[str, Any] = {
        name: getattr(transaction, name) for name in (*_PLAIN_FIELDS, *_OPTIONAL_FIELDS)
    }
    fields |= {name: int(getattr(transaction, name)) for name in _ENUM_FIELDS}
    return transaction_pb2.Transaction(
        event_time=time_to_proto(transaction.event_time), attributes=transaction.attributes, **fields
    )


def from_proto(message: transaction_pb2.Transaction) -> Transaction:
    """Converts a message that keeps the rules to its value. Raises ValueError for an unknown enum value."""
    fields: dict[str, Any] = {name: getattr(message, name) for name in _PLAIN_FIELDS}
    fields |= {name: getattr(message, name) if message.HasField(name) else None for name in _OPTIONAL_FIELDS}
    fields |= {name: enum(getattr(message, name)) for name, enum in _ENUM_FIELDS.items()}
    return Transaction(
        event_time=time_from_proto(message.event_time), attributes=dict(message.attributes), **fields
    )
