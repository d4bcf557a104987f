"""Settings on their way to another process of the server, secrets included: nobody else reads the pipe."""

from __future__ import annotations

import json

from pydantic import SecretStr

from server.settings.config import ServerSettings


def settings_to_line(settings: ServerSettings) -> str:
    """Returns settings as a line of JSON."""
    return json.dumps(settings.model_dump(), default=plain) + "\n"


def settings_from_line(line: str) -> ServerSettings:
    """Reads what `settings_to_line` returned."""
    return ServerSettings(**json.loads(line))


def plain(value: object) -> str:
    """Returns what JSON has no form for as text."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
