"""The features of a history on disk: Parquet files of equal length, in a directory named by what they are of.

A directory is complete when it says so; until then its finished files are kept, and a run that was ended
writes the others. The directory lies where all that read it can: on shared storage for a cluster.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from trainer.dataset.features import Features, OnDisk

PART_ROWS = 131_072  # 75 MB of the catalogue's columns
_COMPLETE = "complete.json"
_UNFINISHED = ".unfinished"
_HELD: dict[Path, int] = {}  # descriptors of the directories that this process reads


@dataclass(frozen=True, slots=True)
class PartStore:
    """A directory for the parts of a history.

    rows: of the history; names: of its columns; part_rows: of every part but the last.
    """

    directory: Path
    rows: int
    names: tuple[str, ...]
    part_rows: int = PART_ROWS

    def __len__(self) -> int:
        """Returns how many parts there are when all are written."""
        return math.ceil(self.rows / self.part_rows)

    def bounds(self, number: int) -> tuple[int, int]:
        """Returns the first row of a part, and the one behind its last."""
        return number * self.part_rows, min((number + 1) * self.part_rows, self.rows)

    def path(self, number: int) -> Path:
        """Returns the file of a part."""
        return self.directory / f"part-{number:05}.parquet"

    def has(self, number: int) -> bool:
        """Tells whether a part is written."""
        return self.path(number).exists()

    @property
    def complete(self) -> bool:
        """Whether all parts are there, with the columns that are wanted."""
        try:
            said = json.loads((self.directory / _COMPLETE).read_text())
        except (OSError, ValueError):
            return False
        return bool(said == self._said()) and all(map(self.has, range(len(self))))

    def begin(self) -> None:
        """Takes away the directories beside it that no process holds any more."""
        for other in self.directory.parent.iterdir():
            if other != self.directory and other.is_dir() and _is_free(other):
                shutil.rmtree(other, ignore_errors=True)

    def hold(self) -> None:
        """Makes the directory, and keeps other runs from taking it away as long as this process lives."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.directory not in _HELD:
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_CLOEXEC)
            with contextlib.suppress(OSError):  # storage without locks: two runs need two working directories
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            _HELD[self.directory] = descriptor

    def write(self, number: int, matrix: npt.NDArray[np.float32]) -> None:
        """Writes a part, float32 [rows, columns]; it is there whole or not at all."""
        unfinished = self.path(number).with_suffix(_UNFINISHED)
        pl.DataFrame(matrix, schema=list(self.names), orient="row").write_parquet(
            unfinished, compression="lz4", statistics=False
        )
        unfinished.replace(self.path(number))

    def finish(self) -> None:
        """Says that all parts are there."""
        unfinished = (self.directory / _COMPLETE).with_suffix(_UNFINISHED)
        unfinished.write_text(json.dumps(self._said()))
        unfinished.replace(self.directory / _COMPLETE)

    def features(self) -> Features:
        """Returns the features of all rows, to be read when they are wanted."""
        parts = []
        for number in range(len(self)):
            start, end = self.bounds(number)
            parts.append(OnDisk(self.path(number), end - start, self.names))
        return Features.over(parts, len(self.names))

    def _said(self) -> dict[str, object]:
        return {"rows": self.rows, "part_rows": self.part_rows, "columns": list(self.names)}


def _is_free(directory: Path) -> bool:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return True
