"""What to fit: an algorithm and its settings, as flat values that TOML, JSON, Ray and the manifest can hold.

How they are carried out is the business of `fit`; which values a search tries is that of the families.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kuntur.paths import UnusableFileError, read_settings

Value = str | int | float | bool

# What every algorithm understands, with what holds where a recipe says nothing: what is done about the
# rarity of fraud; days of history to learn from, 0 for all; how many columns to keep, 0 for all.
COMMON: Mapping[str, Value] = {"imbalance": "none", "history_days": 0, "columns": 0}
_SHIPPED = Path(__file__).parent / "recipes" / "default.toml"


class RecipeError(ValueError):
    """A recipe that nothing can be fitted by."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """An algorithm and its settings; `parameters` holds `algorithm`, those of COMMON and the algorithm's."""

    parameters: Mapping[str, Value]

    @property
    def algorithm(self) -> str:
        """Names the algorithm."""
        return str(self.parameters["algorithm"])

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a recipe from TOML. Raises RecipeError, which says what is wrong, and OSError."""
        try:
            found = tomllib.loads(read_settings(path))
        except UnusableFileError as error:
            raise RecipeError(f"{path} {error}") from error
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"{path} is no TOML: {error}") from error
        try:
            return cls(checked(found))
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}") from error

    @classmethod
    def shipped(cls) -> Self:
        """Gives the recipe that comes with the trainer."""
        return cls.read(_SHIPPED)

    def document(self, notes: Iterable[str] = ()) -> str:
        """Gives the recipe as TOML, the notes as comments above it."""
        lines = [f"# {note}" for note in notes]
        lines += [f"{name} = {json.dumps(value)}" for name, value in self.parameters.items()]
        return "\n".join(lines) + "\n"

    def write(self, path: Path, notes: Iterable[str] = ()) -> None:
        """Writes the recipe as TOML."""
        path.write_text(self.document(notes), encoding="utf-8")


def checked(parameters: Mapping[str, object]) -> dict[str, Value]:
    """Gives parameters in their order, with those of COMMON that are not there. Raises RecipeError."""
    # Imported here because the families bring their libraries, which a reader of settings need not wait for.
    from trainer.imbalance import STRATEGIES
    from trainer.models import FAMILIES

    name = parameters.get("algorithm")
    if not isinstance(name, str) or name not in FAMILIES:
        raise RecipeError(f"algorithm {name!r} is none of {', '.join(FAMILIES)}")
    family = FAMILIES[name]
    found: dict[str, Value] = {"algorithm": name, **COMMON}
    for key, value in parameters.items():
        if key not in found and key not in family.parameters:
            known = ", ".join([*COMMON, *family.parameters])
            raise RecipeError(f"{name} has no {key!r}; it has {known}")
        if not isinstance(value, str | int | float):
            raise RecipeError(f"{key} is neither text nor a number: {value!r}")
        found[key] = value
    missing = [key for key in family.required if key not in found]
    if missing:
        raise RecipeError(f"{name} needs {', '.join(missing)}")
    if found["imbalance"] not in STRATEGIES:
        raise RecipeError(f"imbalance {found['imbalance']!r} is none of {', '.join(STRATEGIES)}")
    for key in ("history_days", "columns"):
        if isinstance(found[key], str) or float(found[key]) < 0:
            raise RecipeError(f"{key} is a number from 0, which means all; not {found[key]!r}")
    return found
