"""Settings as the TOML file that would give them, each with what it means."""

from __future__ import annotations

import inspect
import json
import textwrap
from pathlib import Path

from pydantic import BaseModel

from kuntur.identity import DEFAULT_HASH_KEY
from server.config import ServerSettings, fields, variable_of

_SECRETS = ("history.hash_key",)


def to_toml(settings: ServerSettings) -> str:
    """Writes settings as TOML. A secret that was set is left out."""
    lines: list[str] = []
    current = ""
    for section, name, field in fields():
        holder: BaseModel = getattr(settings, section) if section else settings
        if section != current:
            purpose = inspect.cleandoc(type(holder).__doc__ or "")
            lines += ["", f"# {purpose}", f"[{section}]"]
            current = section
        key = f"{section}.{name}" if section else name
        lines += textwrap.wrap(
            f"{field.description} [{variable_of(key)}]", 100, initial_indent="# ", subsequent_indent="# "
        )
        value = getattr(holder, name)
        if key in _SECRETS and value != DEFAULT_HASH_KEY:
            lines.append(f"# {name} is set and not shown")
        elif value is None:
            lines.append(f"# {name} =")
        else:
            lines.append(f"{name} = {_literal(value)}")
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False)  # a JSON string is a basic string of TOML
    return json.dumps(value)
