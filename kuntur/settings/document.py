"""Settings as the TOML file that would give them, each with what it means and its variable."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo


def fields(settings: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Yields section, name and definition of every key, those without a section first.

    A section within a section is named with a dot, such as "data.postgres", and follows the other.
    """
    sections: dict[str, type[BaseModel]] = {}
    for name, field in settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and not get_args(kind) and issubclass(kind, BaseModel):
            sections[name] = kind
        else:
            yield "", name, field
    for section, kind in sections.items():
        for inner, name, field in fields(kind):
            yield f"{section}.{inner}" if inner else section, name, field


def to_toml(settings: BaseModel, variable_prefix: str, hidden: dict[str, Any]) -> str:
    """Writes settings as TOML.

    hidden: by key, such as "history.hash_key", the value at which a secret may be shown: any other is
    left out. A SecretStr is never shown.
    """
    lines: list[str] = []
    current = ""
    for section, name, field in fields(type(settings)):
        holder: BaseModel = attrgetter(section)(settings) if section else settings
        if section != current:
            purpose = inspect.cleandoc(type(holder).__doc__ or "")
            told = textwrap.wrap(purpose, 100, initial_indent="# ", subsequent_indent="# ")
            lines += ["", *told, f"[{section}]"]
            current = section
        key = f"{section}.{name}" if section else name
        variable = variable_prefix + key.upper().replace(".", "__")
        meaning = f"{inspect.cleandoc(field.description or '')} [{variable}]"
        lines += textwrap.wrap(meaning, 100, initial_indent="# ", subsequent_indent="# ")
        value = getattr(holder, name)
        if isinstance(value, SecretStr) or (key in hidden and value != hidden[key]):
            lines.append(f"# {name} is set and not shown")
        elif value is None:
            lines.append(f"# {name} =")
        else:
            lines.append(f"{name} = {_literal(value)}")
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)  # a JSON string is a basic string of TOML
    if isinstance(value, tuple):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    return json.dumps(value, default=str)
