"""What Ray Tune notes of a running search, kept as one file that is whole whenever the process is killed.

Tune copies its notes to where a search lies one by one and in the background. After a kill in between it
takes a note that is cut off for a search without a past, and ends after one trial of those that are left.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

from ray.tune import Callback

NAME = "search.zip"
_NOTES = ("*.json", "*.pkl")  # the trials, what proposes settings, other callbacks


class DamagedSnapshotError(Exception):
    """Notes of a search that are not those that were written."""


class SearchSnapshot(Callback):  # type: ignore[misc]  # ray has no types
    """Packs Tune's notes each time they are written, and puts them back for a search to go on."""

    def __init__(self, search: Path) -> None:
        self._search = search
        self._notes: Path | None = None

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Learns where Tune writes its notes before it copies them."""
        del iteration, trials, info
        self._notes = Path(trial.storage.experiment_driver_staging_path)

    def get_state(self) -> None:
        """Packs the notes: Tune asks callbacks for their state when it has written what else there is."""
        if self._notes is None:
            return
        partial = self._search / f".{NAME}"
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for pattern in _NOTES:
                for note in sorted(self._notes.glob(pattern)):
                    archive.write(note, note.name)
        partial.replace(self._search / NAME)

    def restore(self) -> bool:
        """Puts the last whole notes in the place of those that Tune copied; tells whether there are any.

        Raises DamagedSnapshotError.
        """
        path = self._search / NAME
        if not path.exists():
            return False
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(self._search)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise DamagedSnapshotError(f"{path} is damaged: {error}") from error
        return True
