"""Where checkpoints are put: a folder beside the tree, and others that outlive it, each with the newest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path

from kuntur.files.paths import UnusableFileError
from kuntur.files.private import make_private
from kuntur.files.whole import replace_whole
from kuntur.transparency.errors import InconsistentLogError, NoteError
from kuntur.transparency.notes.checkpoint import SignedCheckpoint, open_checkpoint
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.notes.note import MAX_NOTE_BYTES, Note

CHECKPOINT = "checkpoint"
"""Name of the newest checkpoint in each place, as tlog-tiles has it."""
WITNESSED = "checkpoint.witnessed"
"""Name of the newest one with cosignatures of witnesses; it is seldom the newest of all."""


def read_checkpoint(path: Path, keys: Iterable[VerifierKey]) -> SignedCheckpoint | None:
    """Returns the checkpoint of a file, None where there is no such file.

    Raises NoteError for one that none of the keys signed, OSError.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_NOTE_BYTES + 1)
        return open_checkpoint(content, keys)
    except FileNotFoundError:
        return None
    except (NoteError, UnusableFileError) as error:
        raise NoteError(f"{path}: {error}") from error


class Places:
    """The folders of one log's checkpoints; the first is the one beside its tree."""

    def __init__(self, folders: Sequence[Path], failed: Callable[[str], object]) -> None:
        """Takes folders, which are made when they are not there.

        failed: called with a sentence for a folder that cannot be written while another one can.
        """
        self.folders = tuple(folders)
        self._failed = failed

    def read(self, keys: Iterable[VerifierKey]) -> list[SignedCheckpoint | None]:
        """Returns the checkpoint of each place, None where there is none.

        Raises NoteError for one that none of the keys signed, InconsistentLogError when two of one size
        contradict each other, OSError.
        """
        known = list(keys)
        found = [read_checkpoint(folder / CHECKPOINT, known) for folder in self.folders]
        for one, other in combinations(filter(None, found), 2):
            _check_together(one, other)
        return found

    def put(self, note: Note, name: str = CHECKPOINT) -> None:
        """Writes a checkpoint to all places, at once and so that it lasts; the first place comes last.

        Raises OSError when none can be written.
        """
        failures: list[OSError] = []
        content = note.encode()
        for folder in reversed(self.folders):
            try:
                make_private(folder)
                replace_whole(folder / name, content)
            except OSError as error:
                failures.append(error)
        if len(failures) == len(self.folders):
            raise failures[-1]
        for failure in failures:
            self._failed(f"a checkpoint was put into the other places alone: {failure}")


def _check_together(one: SignedCheckpoint, other: SignedCheckpoint) -> None:
    if one.checkpoint.origin != other.checkpoint.origin:
        raise InconsistentLogError(
            f"the places hold checkpoints of two logs, {one.checkpoint.origin} and {other.checkpoint.origin}"
        )
    if one.checkpoint.size == other.checkpoint.size and one.checkpoint.root != other.checkpoint.root:
        raise InconsistentLogError(
            f"two checkpoints of {one.checkpoint.size:,} entries were signed with different roots: keep "
            "both, they prove that the log was forked"
        )
