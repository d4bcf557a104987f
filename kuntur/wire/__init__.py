"""The wire: serialised requests to columns, scores to serialised responses, messages to values.

With `kuntur.rules` the only part of the kernel that knows the generated stubs.
"""

from kuntur.wire.reader import TransactionReader
from kuntur.wire.reading import MalformedError, Reading, TransactionIds
from kuntur.wire.scores import Scores, write_frame, write_score
from kuntur.wire.values import from_proto, time_from_proto, time_to_proto, to_proto

__all__ = [
    "MalformedError",
    "Reading",
    "Scores",
    "TransactionIds",
    "TransactionReader",
    "from_proto",
    "time_from_proto",
    "time_to_proto",
    "to_proto",
    "write_frame",
    "write_score",
]
