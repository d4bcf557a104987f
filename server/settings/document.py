"""The settings as a page for people: `python -m server.settings.document > docs/settings.md`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from kuntur.hash_key import DEFAULT_HASH_KEY
from kuntur.settings.document import fields
from server.settings.config import ServerSettings

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_HEAD = """\
# Settings of the server

Made from `server/settings/` by `make generate`; do not edit.

Flags win over variables, variables over the TOML file, the file over the defaults. `kuntur-server config`
prints those in force as such a file, each with its variable: `KUNTUR_SERVER_` and the key in capitals, with
two underscores for the dot of a section, such as `KUNTUR_SERVER_JOURNAL__PATH`.
"""
_TABLE = ["", "| key | default | takes | meaning |", "| --- | --- | --- | --- |"]


def render() -> str:
    """Returns the page as Markdown."""
    lines, current = [_HEAD, "## Without a section", *_TABLE], ""
    for section, name, field in fields(ServerSettings):
        if section != current:
            current = section
            purpose = inspect.cleandoc(_kind(section).__doc__ or "")
            lines += ["", f"## [{section}]", "", purpose, *_TABLE]
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `{name}` | {_shown(name, field.default)} | {_range(name, field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def _kind(section: str) -> Any:
    """Returns the class of a section, also of one within another."""
    kind: Any = ServerSettings
    for name in section.split("."):
        kind = kind.model_fields[name].annotation
    return kind


def _shown(name: str, value: Any) -> str:
    """Returns a value as people read it."""
    if value is None:
        return "unset"
    if value == DEFAULT_HASH_KEY:
        return "a public key"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    if name.endswith("_bytes"):
        unit = ((int(value) & -int(value)).bit_length() - 1) // 10 if value else 0
        return f"{int(value) >> 10 * unit:,} {_UNITS[unit]}"
    return f"{value:,g}" if isinstance(value, float) and not value.is_integer() else f"{int(value):,}"


def _range(name: str, field: FieldInfo) -> str:
    """Returns what a setting takes: its words, or its bounds; nothing where its type says all."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f'"{word}"' for word in get_args(field.annotation))
    least = most = ""
    for bound in field.metadata:
        match bound:
            case Ge(ge=value):
                least = _shown(name, value)
            case Gt(gt=value):
                least = f"more than {_shown(name, value)}"
            case Le(le=value):
                most = _shown(name, value)
    if most:
        return f"{least} to {most}" if least else f"up to {most}"
    return f"{least} or more" if least and not least.startswith("more") else least


if __name__ == "__main__":
    sys.stdout.write(render())
