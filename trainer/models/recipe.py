"""What to fit: an algorithm and its settings, as flat values that TOML, JSON, Ray and the manifest can hold.

How they are carried out is the business of `trainer.fitting`, which values a search tries that of the
families. Reading a recipe and holding it to its family is left to `trainer.models.recipes`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kuntur.files.paths import UnusableFileError, read_settings
from kuntur.files.toml import parse_toml

Value = str | int | float | bool

# What every algorithm understands, with what holds where a recipe says nothing: what is done about the
# rarity of fraud; days of history to learn from, 0 for all; how many columns to keep, 0 for all.
COMMON: Mapping[str, Value] = {"imbalance": "none", "history_days": 0, "columns": 0}
# Of a family with rounds: take as many as are best on the selection window, `rounds` at the most.
EARLY_STOPPING = "early_stopping"
SHIPPED = Path(__file__).parent / "recipes" / "default.toml"


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

    def document(self, notes: Iterable[str] = ()) -> str:
        """Returns the recipe as TOML, the notes as comments above it."""
        lines = [f"# {note}" for note in notes]
        lines += [f"{name} = {json.dumps(value)}" for name, value in self.parameters.items()]
        return "\n".join(lines) + "\n"

    def write(self, path: Path, notes: Iterable[str] = ()) -> None:
        """Writes the recipe as TOML."""
        path.write_text(self.document(notes), encoding="utf-8")


def parameters_in(path: Path) -> dict[str, object]:
    """Returns what a recipe's file says, unchecked. Raises RecipeError and OSError."""
    try:
        return parse_toml(read_settings(path))
    except UnusableFileError as error:
        raise RecipeError(f"{path} {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from error
