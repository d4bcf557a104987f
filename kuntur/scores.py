"""What becomes of a transaction: decisions, reasons, and the scores of a frame, declared once.

The numbers are those of the enums in `score.proto`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Decision(IntEnum):
    """What the live model advises; the numbers are those of the protobuf enum."""

    UNSPECIFIED = 0
    APPROVE = 1
    """Below the review threshold."""
    REVIEW = 2
    """At or above the review threshold."""
    DECLINE = 3
    """At or above the decline threshold."""

    @classmethod
    def _missing_(cls, value: object) -> Decision:  # noqa: ARG003 (the signature is of Enum)
        # A newer server may know a decision that this client does not.
        return cls.UNSPECIFIED


class ReasonsMode(IntEnum):
    """Which scores carry reasons; the numbers are those of the protobuf enum."""

    REVIEWED = 0
    """Those at or above the review threshold: what the protobuf enum calls unspecified."""
    ALL = 1
    NONE = 2

    def to_proto(self) -> Any:
        """Returns the number of the protobuf enum, under the type that the stubs ask for."""
        return self.value


class Reason(NamedTuple):
    """One cause of a score.

    value: that of the feature, NaN when unset; contribution: log-odds that it added; description: the same
    for a person. A tuple, because thousands are made for a frame.
    """

    feature: str
    value: float
    contribution: float
    description: str


class Scores(NamedTuple):
    """The answers for the good transactions of a frame.

    probability: float32 [n], calibrated; decision: int8 [n], numbers of Decision; model_version: the model
    that gave all of them; reasons: by row, strongest first, of those that have any; invalid: rows for which
    the model gave no probability. A tuple, because a frozen dataclass costs a lone transaction half a
    microsecond more.
    """

    probability: npt.NDArray[np.float32]
    decision: npt.NDArray[np.int8]
    model_version: str
    reasons: Mapping[int, Sequence[Reason]] | None = None
    invalid: tuple[int, ...] = ()
