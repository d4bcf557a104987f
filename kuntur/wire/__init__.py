"""The wire: serialised requests to columns, scores to serialised responses.

Of the kernel, only this package, `kuntur.validation.messages`, `kuntur.values` and
`kuntur.journal.exchanges.messages` know the stubs of the API.
"""

from kuntur.wire.institutions import InstitutionSet
from kuntur.wire.outline import read_outline
from kuntur.wire.reader import TransactionReader
from kuntur.wire.reading import MalformedError, OversizedError, Reading, TransactionIds
from kuntur.wire.scores import write_frame, write_frames, write_score

__all__ = [
    "InstitutionSet",
    "MalformedError",
    "OversizedError",
    "Reading",
    "TransactionIds",
    "TransactionReader",
    "read_outline",
    "write_frame",
    "write_frames",
    "write_score",
]
