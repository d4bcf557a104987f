"""The keys of a log while it is signed: those in their folder now, so that they can be rotated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kuntur.transparency.errors import NoteError
from kuntur.transparency.notes.key_files import ENDING, read_keys
from kuntur.transparency.notes.keys import KeyKind, SigningKey, VerifierKey


class LogKeys:
    """All keys of a folder: they sign together, and follow each other without a gap."""

    def __init__(self, folder: Path, tell: Callable[[str], object]) -> None:
        """Reads them. tell: called with a sentence when they change, or cannot. Raises NoteError, OSError."""
        self._folder, self._tell = folder, tell
        self._seen = _state(folder)
        self.signing: Sequence[SigningKey] = read_keys(folder, KeyKind.LOG)
        """Those that sign now, at least one."""

    @property
    def origin(self) -> str:
        """The log that they sign for."""
        return self.signing[0].verifier.name

    @property
    def verifiers(self) -> list[VerifierKey]:
        """Their public halves."""
        return [key.verifier for key in self.signing]

    def look(self) -> bool:
        """Takes the keys that are in the folder now, and returns whether they are others than before.

        They stay as they were where the folder cannot be read, or none of the new ones signed so far: whoever
        knows the old ones could not follow.
        """
        try:
            seen = _state(self._folder)
            if seen == self._seen:
                return False
            keys = read_keys(self._folder, KeyKind.LOG)
        except (NoteError, OSError) as error:
            self._tell(f"the keys stay as they were: {error}")
            return False
        before, after = set(self.verifiers), {key.verifier for key in keys}
        if not before & after:
            self._tell(
                "the keys stay as they were: none of the new ones signed so far; put a new one beside "
                "the old one first"
            )
            return False
        self._seen, self.signing = seen, keys
        if before != after:
            self._tell(f"signs with {', '.join(map(str, self.verifiers))}")
        return before != after


def _state(folder: Path) -> frozenset[tuple[str, int, int, int]]:
    """Returns what tells that keys were put, replaced or taken away. Raises OSError."""
    return frozenset(
        (path.name, status.st_mtime_ns, status.st_ino, status.st_mode)
        for path in folder.glob(f"*{ENDING}")
        for status in [path.stat()]
    )
