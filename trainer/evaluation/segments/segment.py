"""What each row belongs to, such as its channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
OTHER = "(other)"  # the names that are too many to stand alone
NONE = "(none)"


@dataclass(frozen=True, slots=True)
class Segment:
    """What each row belongs to, such as its channel.

    code: int [n], number of the row's name; names: those that occur, in a fixed order.
    """

    code: npt.NDArray[np.integer]
    names: tuple[str, ...]

    def rows(self, chosen: slice | npt.NDArray[Any]) -> Segment:
        """Returns some of the rows."""
        return Segment(self.code[chosen], self.names)

    def of(self, name: str) -> Flags:
        """Tells which rows belong to a name, bool [n]."""
        member: Flags = self.code == self.names.index(name)
        return member
