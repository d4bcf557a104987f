"""Features of rows that need not be in memory: which rows and columns of which parts, read when wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import polars as pl

Float32 = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64] | npt.NDArray[np.intp]
Chosen = Numbers | npt.NDArray[np.bool_] | slice


class Part(Protocol):
    """Some rows one behind the other, with all their columns."""

    def __len__(self) -> int:
        """Returns how many rows it has."""

    def read(self, columns: npt.NDArray[np.intp]) -> Float32:
        """Returns columns of all its rows, float32 [rows, len(columns)], C order."""

    def identity(self) -> str:
        """Returns a text that is another one for other values."""


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """A part that is a matrix, float32 [n, columns]."""

    matrix: Float32

    def __len__(self) -> int:
        return len(self.matrix)

    def read(self, columns: npt.NDArray[np.intp]) -> Float32:
        """Returns the columns; the matrix itself where they are all."""
        if len(columns) == self.matrix.shape[1] and np.array_equal(columns, np.arange(len(columns))):
            return self.matrix
        return np.ascontiguousarray(self.matrix[:, columns])

    def identity(self) -> str:
        """Returns the hash of the matrix."""
        return hashlib.sha256(np.ascontiguousarray(self.matrix).data).hexdigest()


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A part that is a Parquet file, in a directory named by what it is of; names: of its columns."""

    path: Path
    rows: int
    names: tuple[str, ...]

    def __len__(self) -> int:
        return self.rows

    def read(self, columns: npt.NDArray[np.intp]) -> Float32:
        """Reads the columns. Raises OSError and what Polars raises for a file that is not what it was."""
        wanted = [self.names[column] for column in columns]
        frame = pl.read_parquet(self.path, columns=wanted, glob=False, memory_map=False)
        return frame.select(wanted).to_numpy(order="c")

    def identity(self) -> str:
        """Returns where it is."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class _Narrowed:
    part: Part
    columns: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.part)

    def read(self, columns: npt.NDArray[np.intp]) -> Float32:
        return self.part.read(self.columns[columns])

    def identity(self) -> str:
        return f"{self.part.identity()} {self.columns.tolist()}"


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Rows and columns of parts, float32 [len(rows), len(columns)] when they are read.

    rows: int64 [n], numbers over all parts; columns: intp [k].
    """

    parts: tuple[Part, ...]
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.intp]

    @classmethod
    def over(cls, parts: Sequence[Part], columns: int) -> Self:
        """Returns all rows and columns of parts."""
        rows = np.arange(sum(map(len, parts)), dtype=np.int64)
        return cls(tuple(parts), rows, np.arange(columns, dtype=np.intp))

    @classmethod
    def of(cls, matrix: Float32) -> Self:
        """Returns the rows and columns of a matrix, float32 [n, columns]."""
        return cls.over([InMemory(matrix)], matrix.shape[1])

    @classmethod
    def of_any(cls, features: Features | Float32) -> Features:
        """Returns features as they are, and a matrix as its rows and columns."""
        return features if isinstance(features, Features) else cls.of(features)

    def __len__(self) -> int:
        return len(self.rows)

    def identity(self) -> str:
        """Returns a hash that is another one for other rows, columns or values."""
        digest = hashlib.sha256("\n".join(part.identity() for part in self.parts).encode())
        digest.update(self.rows.tobytes() + self.columns.tobytes())
        return digest.hexdigest()

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return len(self.rows), len(self.columns)

    def take(self, rows: Chosen) -> Self:
        """Returns the rows of these numbers, of this mask or of this slice."""
        return replace(self, rows=self.rows[rows])

    def only(self, columns: npt.NDArray[np.intp]) -> Self:
        """Returns the rows with these columns alone."""
        return replace(self, columns=self.columns[columns])

    def with_rows(self, matrix: Float32) -> Self:
        """Returns the rows, and behind them those of a matrix, float32 [m, columns]."""
        narrowed: list[Part] = [_Narrowed(part, self.columns) for part in self.parts]
        behind = sum(map(len, self.parts)) + np.arange(len(matrix), dtype=np.int64)
        parts = (*narrowed, InMemory(matrix))
        return replace(
            self,
            parts=parts,
            rows=np.concatenate([self.rows, behind]),
            columns=np.arange(len(self.columns), dtype=np.intp),
        )

    def blocks(self) -> Iterator[Float32]:
        """Yields the rows in their order, as many at a time as stand together in a part."""
        starts = np.cumsum([0, *map(len, self.parts)])
        part_of = np.searchsorted(starts, self.rows, side="right") - 1
        edges = np.flatnonzero(np.diff(part_of)) + 1
        for first, end in zip([0, *edges], [*edges, len(self.rows)], strict=True):
            if first == end:
                continue
            part = self.parts[part_of[first]]
            within = self.rows[first:end] - starts[part_of[first]]
            read = part.read(self.columns)
            whole = len(within) == len(part) and np.array_equal(within, np.arange(len(part)))
            yield read if whole else read[_as_slice(within)]

    def load(self) -> Float32:
        """Returns the matrix, C order; it may be the very one of a part, which is not to be changed."""
        ascending = bool((np.diff(self.rows) >= 0).all())
        order = None if ascending else np.argsort(self.rows, kind="stable")
        ordered = self if order is None else self.take(order)
        blocks = ordered.blocks()
        first = next(blocks, np.empty((0, len(self.columns)), dtype=np.float32))
        if order is None and len(first) == len(self):
            return first
        matrix = np.empty(self.shape, dtype=np.float32)
        done = 0
        for block in chain([first], blocks):
            here = slice(done, done + len(block))
            matrix[here if order is None else order[here]] = block
            done += len(block)
        return matrix


def _as_slice(numbers: npt.NDArray[np.int64]) -> slice | npt.NDArray[np.int64]:
    """Returns numbers that follow one another as a slice, which copies nothing."""
    first, count = int(numbers[0]), len(numbers)
    together = int(numbers[-1]) - first == count - 1 and bool((np.diff(numbers) == 1).all())
    return slice(first, first + count) if together else numbers


def loaded(features: Features | Float32) -> Float32:
    """Returns the matrix of rows that may be in parts."""
    return features.load() if isinstance(features, Features) else features
