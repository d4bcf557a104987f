"""From the options of a command to settings, and what is said of those that are not as they must be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.faults import fault

if TYPE_CHECKING:
    from trainer.config import TrainerSettings

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
ZONE = "In the mapping's zone unless it names one; a journal's is UTC."


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Gives the options that were given, without sections that have none."""
    inner = {name: given(value) if isinstance(value, dict) else value for name, value in options.items()}
    return {name: value for name, value in inner.items() if value is not None and value != {}}


def settings_of(config: Path | None, overrides: dict[str, object]) -> TrainerSettings:
    """Reads the settings; ends the command with a sentence that names what is wrong with them."""
    from tomllib import TOMLDecodeError

    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from trainer.config import load

    if config is not None and not config.is_file():
        raise fault(f"there is no file {config}")
    try:
        return load(config, overrides)
    except ValidationError as error:
        raise fault(told_of(error)) from error
    except TOMLDecodeError as error:
        raise fault(f"{config} is no TOML: {error}") from error
    except SettingsError as error:
        raise fault(f"an environment variable cannot be read: {error}") from error


def told_of(error: Any) -> str:
    """Says in words what pydantic found."""
    lines = [f"  {'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in error.errors()]
    return "settings that are not as they must be:\n" + "\n".join(lines)
