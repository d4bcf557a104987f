"""The definition of one feature."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class PersonalData(StrEnum):
    """How close a feature comes to a person (Ley 29733)."""

    NONE = "none"
    FINANCIAL = "financial"
    BEHAVIOURAL = "behavioural"
    LOCATION = "location"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the engine's output.

    name: its name in manifests; description: what the value is; unit: of the value; source: fields of
    the transaction it is computed from; why: what it says about fraud; personal_data: class of the
    value; since: first version of the catalogue that has it, "2" for release 0.2; revision: raised when its
    value changes, before `python -m tests.unit.kernel.features.golden` writes the golden outputs anew; local:
    whether it counts hours or days of the institution's time zone.
    """

    name: str
    description: str
    unit: str
    source: tuple[str, ...]
    why: str
    personal_data: PersonalData
    since: str = "1"
    revision: int = 1
    local: bool = False

    @property
    def fingerprint(self) -> str:
        """Hash of the definition, 16 hexadecimal digits."""
        text = "\x1f".join((self.name, self.unit, ",".join(self.source), str(self.revision)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
