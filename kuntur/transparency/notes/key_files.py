"""Keys in files: signing keys for their owner alone, verifier keys one a line."""

from __future__ import annotations

from pathlib import Path

from kuntur.files.paths import UnusableFileError, read_settings
from kuntur.files.private import read_secret, write_secret
from kuntur.transparency.errors import NoteError
from kuntur.transparency.notes.keys import KeyKind, SigningKey, VerifierKey

ENDING = ".key"
_MAX_BYTES = 4 << 10


def write_key(path: Path, key: SigningKey) -> None:
    """Writes a signing key to a new file of mode 0600. Raises OSError, also where a file is there."""
    write_secret(path, key.private_text() + "\n")


def read_key(path: Path) -> SigningKey:
    """Reads a signing key. Raises NoteError for a file that is none or that others may read, OSError."""
    try:
        content = read_secret(path, _MAX_BYTES)
    except UnusableFileError as error:
        raise NoteError(f"{path} {error}") from error
    try:
        return SigningKey.parse(content.decode("ascii", errors="replace").strip())
    except NoteError as error:
        raise NoteError(f"{path}: {error}") from error


def read_keys(directory: Path, kind: KeyKind) -> list[SigningKey]:
    """Reads the keys of a log or witness: all `*.key` of a directory, several while they are rotated.

    Raises NoteError when there is none, one of another kind, or they do not bear the same name; OSError.
    """
    keys = [read_key(path) for path in sorted(directory.glob(f"*{ENDING}"))]
    if not keys:
        raise NoteError(f"{directory}: no key is here, no file *{ENDING}: kuntur-server journal keygen")
    for key in keys:
        if key.verifier.kind is not kind:
            raise NoteError(f"{directory}: the key {key.verifier.name} is not a {kind.name.lower()}'s")
    if len({key.verifier.name for key in keys}) > 1:
        names = ", ".join(sorted({key.verifier.name for key in keys}))
        raise NoteError(f"{directory}: the keys have several names, {names}: all here sign for one")
    return keys


def read_verifier_keys(path: Path) -> list[VerifierKey]:
    """Reads verifier keys, one a line; empty lines and those behind # are passed over.

    Raises NoteError with file and line for what is none, and for a file without any; OSError.
    """
    keys = []
    try:
        lines = read_settings(path).splitlines()
    except UnusableFileError as error:
        raise NoteError(f"{path} {error}") from error
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                keys.append(VerifierKey.parse(text))
            except NoteError as error:
                raise NoteError(f"{path}, line {number}: {error}") from error
    if not keys:
        raise NoteError(f"{path}: there is no verifier key in it")
    return keys
