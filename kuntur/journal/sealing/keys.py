"""The keys of a journal: each 32 random bytes in a file for its owner alone, all of them in one folder.

New files of the journal are written with the newest key, and files that are there are read with theirs: a key
is replaced by adding another, and its file goes when the last file of the journal that names it has gone.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kuntur.files.paths import UnusableFileError
from kuntur.files.private import read_secret, write_secret
from kuntur.journal.errors import JournalKeyError

KEY_BYTES, KEY_ID_BYTES = 32, 8
ENDING = ".key"
_MAX_FILE_BYTES = 1 << 10
_HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class JournalKey:
    """A key. name: of its file; identity: what files of the journal name it by."""

    name: str
    identity: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, secret: bytes) -> Self:
        """Returns the key with this secret, whose identity follows from it and does not tell it."""
        derived = HKDF(SHA256(), KEY_ID_BYTES, salt=None, info=b"kuntur journal: identity of a key")
        return cls(name, derived.derive(secret), secret)


class KeyRing:
    """The keys of a folder. `newest` is the one that new files are written with."""

    def __init__(self, folder: Path, keys: list[JournalKey], newest: JournalKey) -> None:
        """Takes the keys, of which `newest` is one."""
        self.folder, self.newest = folder, newest
        self._keys = {key.identity: key for key in keys}

    @classmethod
    def read(cls, folder: Path, writes_with: str | None = None) -> Self:
        """Reads all `*.key` of a folder.

        writes_with: name of the file with the key for new files, by default the last by name. Raises
        JournalKeyError where there is none, one that is no key or that others may read, OSError.
        """
        keys = [_read(path) for path in sorted(folder.glob(f"*{ENDING}"))]
        if not keys:
            hint = f"make one: kuntur-server journal newkey {folder}/1{ENDING}"
            raise JournalKeyError(folder, f"no key of the journal is here, no file *{ENDING}; {hint}")
        named = [key for key in keys if key.name == (writes_with or keys[-1].name)]
        if not named:
            raise JournalKeyError(
                folder, f"there is no key {writes_with!r} here (journal.encryption.writes_with)"
            )
        return cls(folder, keys, named[0])

    def find(self, identity: bytes) -> JournalKey | None:
        """Returns the key with an identity, None where it is not here."""
        return self._keys.get(identity)

    def all(self) -> list[JournalKey]:
        """Returns all keys, the newest first."""
        others = (key for key in self._keys.values() if key.identity != self.newest.identity)
        return [self.newest, *others]


def write_new_key(path: Path) -> JournalKey:
    """Makes a key and writes it to a new file of mode 0600. Raises OSError, also where a file is there."""
    secret = os.urandom(KEY_BYTES)
    write_secret(path, secret.hex() + "\n")
    return JournalKey.of(path.name, secret)


def _read(path: Path) -> JournalKey:
    try:
        text = read_secret(path, _MAX_FILE_BYTES).decode("ascii", errors="replace").strip()
    except UnusableFileError as error:
        raise JournalKeyError(path, str(error)) from error
    secret = b""
    if _HEX.fullmatch(text):
        secret = bytes.fromhex(text)
    else:
        with suppress(binascii.Error):
            secret = base64.b64decode(text, validate=True)
    if len(secret) != KEY_BYTES:
        raise JournalKeyError(
            path, f"is no key of a journal, {KEY_BYTES} bytes as hexadecimal digits or base64"
        )
    return JournalKey.of(path.name, secret)
