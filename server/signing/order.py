"""What the signing process is told, in one line of JSON on its standard input, and what it says.

Standard input stays open as long as the server wants it to sign: its end, also that of the server, has it
take what is on the disk, sign a last checkpoint, and end. On standard output it says in one line of JSON each
what `Said` lists.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from server.settings.config import ServerSettings

LOG = "log"
"""Folder of the tiles below the journal, unless the settings name another."""
REFUSED, WAITS = 3, 4
"""Exit codes: it refuses to sign this journal; it could not begin and may be able to in a moment."""


class Said(StrEnum):
    """First item of a line."""

    SIGNED = "signed"
    """A checkpoint is in its places; the second item is how many entries it is over."""
    CURRENT = "current"
    """All entries that were on the disk just now are signed."""
    TOLD = "told"
    """A sentence for the operator."""
    REFUSED = "refused"
    """Why nothing may be signed any more, as a sentence."""


@dataclass(frozen=True, slots=True)
class SigningOrder:
    """What is to be signed, with what and how often. Paths as they are in the settings.

    journal_keys: folder of the keys of an encrypted journal.
    """

    journal: str
    journal_keys: str | None
    log: str
    keys: str
    checkpoints: tuple[str, ...]
    interval_s: float
    max_entries: int
    witnesses: tuple[str, ...]
    witness_interval_s: float
    core_dumps: bool

    @classmethod
    def of(cls, settings: ServerSettings) -> Self | None:
        """Returns what the settings ask for, None where nothing is to be signed."""
        journal, signing = settings.journal, settings.journal.signing
        if journal.path is None or signing.keys is None:
            return None
        return cls(
            journal=str(journal.path),
            journal_keys=None if journal.encryption.keys is None else str(journal.encryption.keys),
            log=str(signing.log or journal.path / LOG),
            keys=str(signing.keys),
            checkpoints=tuple(map(str, journal.checkpoints)),
            interval_s=signing.interval_s,
            max_entries=signing.max_entries,
            witnesses=signing.witnesses,
            witness_interval_s=signing.witness_interval_s,
            core_dumps=settings.core_dumps,
        )

    @property
    def elsewhere(self) -> tuple[Path, ...]:
        """Further folders of checkpoints."""
        return tuple(map(Path, self.checkpoints))

    def to_line(self) -> str:
        """Returns it as a line."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Reads what `to_line` returned."""
        content = json.loads(line)
        tuples = {name: tuple(content[name]) for name in ("checkpoints", "witnesses")}
        return cls(**{**content, **tuples})
