"""What reading a request returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from kuntur.transaction import TransactionBatch
from kuntur.validation.messages import Violation


class MalformedError(ValueError):
    """Bytes that are not a message of the expected type."""


class OversizedError(ValueError):
    """A request with more transactions than are allowed."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count:,} transactions")
        self.count = count


class TransactionIds(Sequence[str]):
    """The transaction ids of a frame, left in the bytes they came in until someone asks for one.

    raw: those bytes; spans: int64 [n, 2], start and length of each id, UTF-8.
    """

    __slots__ = ("raw", "spans")

    def __init__(self, raw: bytes, spans: npt.NDArray[np.int64]) -> None:
        self.raw = raw
        self.spans = spans

    @classmethod
    def of(cls, ids: Iterable[str]) -> TransactionIds:
        """Returns ids of any kind as such a sequence."""
        if isinstance(ids, TransactionIds):
            return ids
        encoded = [text.encode() for text in ids]
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        return cls(b"".join(encoded), np.column_stack((np.cumsum(lengths) - lengths, lengths)))

    def __len__(self) -> int:
        return len(self.spans)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> TransactionIds: ...
    def __getitem__(self, index: int | slice) -> str | TransactionIds:
        if isinstance(index, slice):
            return TransactionIds(self.raw, np.ascontiguousarray(self.spans[index]))
        start, length = self.spans[index].tolist()
        return self.raw[start : start + length].decode()

    def encoded(self, place: int) -> bytes:
        """Returns the bytes of an id, UTF-8."""
        start, length = self.spans[place].tolist()
        return self.raw[start : start + length]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have none

    def __repr__(self) -> str:
        return f"TransactionIds({list(self)!r})"


class Reading(NamedTuple):
    """A frame that was read: columns of the good transactions, violations of the others.

    ids: the transaction ids of the whole frame, as they came; batch: the good transactions in their
    order; places: int64 [n], where they stood in the frame; violations: by place, for each that was
    refused; reasons_mode: number of ReasonsMode, or whatever else was sent; foreign: by place, the
    institution of each that its sender does not act for. A tuple, because a frozen dataclass costs a lone
    transaction half a microsecond more.
    """

    ids: Sequence[str]
    batch: TransactionBatch
    places: npt.NDArray[np.int64]
    violations: dict[int, list[Violation]]
    reasons_mode: int = 0
    foreign: Mapping[int, str] = MappingProxyType({})

    def without(self, foreign: Mapping[int, str]) -> Reading:
        """Returns the frame without the transactions of other institutions, by place."""
        if not foreign:
            return self
        kept = np.array([place not in foreign for place in self.places.tolist()], dtype=np.bool_)
        return self._replace(
            batch=self.batch.rows(np.flatnonzero(kept)),
            places=self.places[kept],
            violations={place: each for place, each in self.violations.items() if place not in foreign},
            foreign=foreign,
        )
