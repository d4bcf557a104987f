"""Recipes as files, and the check that each asks for what its family knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trainer.models.families import FAMILIES
from trainer.models.imbalance import STRATEGIES
from trainer.models.recipe import (
    COMMON,
    EARLY_STOPPING,
    SHIPPED,
    Recipe,
    RecipeError,
    Value,
    parameters_in,
)


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe from TOML. Raises RecipeError, which says what is wrong, and OSError."""
    found = parameters_in(path)
    try:
        return Recipe(checked(found))
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from error


def shipped_recipe() -> Recipe:
    """Returns the recipe that comes with the trainer."""
    return read_recipe(SHIPPED)


def checked(parameters: Mapping[str, object]) -> dict[str, Value]:
    """Returns parameters in their order, with those of COMMON that are not there. Raises RecipeError."""
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
    if not isinstance(found.get(EARLY_STOPPING, False), bool):
        raise RecipeError(f"{EARLY_STOPPING} is true or false; not {found[EARLY_STOPPING]!r}")
    for key in ("history_days", "columns"):
        if isinstance(found[key], str) or float(found[key]) < 0:
            raise RecipeError(f"{key} is a number from 0, which means all; not {found[key]!r}")
    return found
