"""Verifier keys as commands take them: their lines, and files of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kuntur.transparency.notes.keys import VerifierKey


def verifier_keys(given: Iterable[str], option: str) -> list[VerifierKey]:
    """Returns the keys of lines and files; option: where they were given. Raises NoteError, OSError."""
    from kuntur.transparency.errors import NoteError
    from kuntur.transparency.notes.key_files import read_verifier_keys
    from kuntur.transparency.notes.keys import VerifierKey

    found: list[VerifierKey] = []
    for text in given:
        try:
            if "+" in text and not os.path.lexists(text):
                found.append(VerifierKey.parse(text))
            else:
                found += read_verifier_keys(Path(text))
        except NoteError as error:
            raise NoteError(f"{option}: {error}") from error
    return list(dict.fromkeys(found))
