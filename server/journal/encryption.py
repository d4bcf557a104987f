"""The keys that the settings name for the journal."""

from __future__ import annotations

from kuntur.journal.sealing import KeyRing
from server.settings.sections import JournalSettings


def keys_of(settings: JournalSettings) -> KeyRing | None:
    """Returns the keys of the journal; None where it is not encrypted.

    Raises OSError and `kuntur.journal.file.JournalKeyError`.
    """
    encryption = settings.encryption
    return None if encryption.keys is None else KeyRing.read(encryption.keys, encryption.writes_with)
