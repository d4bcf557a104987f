"""The options that several commands share, from options to settings, and what is said of invalid ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kuntur.files.paths import UnusableFileError, missing_files, missing_mapping
from trainer.cli.faults import fault

if TYPE_CHECKING:
    from trainer.settings.config import TrainerSettings
    from trainer.settings.data import DataSettings

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
ZONE = "In the mapping's zone unless it names one; a journal's is UTC."

FilesArgument = Annotated[list[str] | None, typer.Argument(help="CSV, Parquet or JSON lines; globs too.")]
ConfigOption = Annotated[
    Path | None, typer.Option(help="TOML file with settings.", envvar="KUNTUR_TRAINER_CONFIG")
]
_MAPPING = typer.Option(help="kuntur, handbook, or the path of a mapping file.")
MappingOption = Annotated[str | None, _MAPPING]
NamedMappingOption = Annotated[str, _MAPPING]
SinceOption = Annotated[
    datetime | None, typer.Option(formats=TIMES, help=f"Earliest event time to read. {ZONE}")
]
UntilLastLabelOption = Annotated[
    datetime | None,
    typer.Option(
        formats=TIMES,
        help=f"Later transactions and labels are unknown; by default just after the last label. {ZONE}",
    ),
]
FoldsOption = Annotated[int | None, typer.Option(help="Folds, where no --train-start names them.")]
LabelDelayOption = Annotated[float | None, typer.Option(help="Days until labels are complete.")]
TrainingDaysOption = Annotated[
    float | None, typer.Option(help="Days to learn from at the most; the whole history by default.")
]
TrialsOption = Annotated[int | None, typer.Option(help="Settings to try.")]
MethodOption = Annotated[str | None, typer.Option(help="What proposes them: tpe, hyperopt, random or grid.")]
SearchWorkOption = Annotated[
    Path | None, typer.Option(help="Where the search keeps its state; a killed run goes on from it.")
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(help="HOST:PORT of a Ray cluster's head, or auto; Ray on this machine by default."),
]


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options that were given, without sections that have none."""
    inner = {name: given(value) if isinstance(value, dict) else value for name, value in options.items()}
    return {name: value for name, value in inner.items() if value is not None and value != {}}


def data_options(
    files: list[str] | None,
    mapping: str | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
    """Returns the section `data` of the options, with those that all commands on a history have."""
    return {"paths": tuple(files) if files else None, "mapping": mapping, "since": since, "until": until}


def settings_of(config: Path | None, overrides: dict[str, Any]) -> TrainerSettings:
    """Reads the settings; ends the command with a sentence that names what is wrong with them.

    What they name is looked for before anything heavy is loaded.
    """
    from tomllib import TOMLDecodeError

    if config is not None and not config.exists():
        raise fault(f"there is no file {config}")

    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from trainer.settings.config import load

    try:
        settings = load(config, overrides)
    except UnusableFileError as error:
        raise fault(f"{config} {error}") from error
    except OSError as error:
        raise fault(f"{config} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise fault(told_of(error)) from error
    except TOMLDecodeError as error:
        raise fault(f"{config} is not valid TOML: {error}") from error
    except SettingsError as error:
        raise fault(f"an environment variable cannot be read: {error}") from error
    _require_sources(settings.data)
    if settings.signing.key is not None:
        require_key(settings.signing.key)
    return settings


def settings_with_source(config: Path | None, options: dict[str, Any], missing: str) -> TrainerSettings:
    """Reads the settings of a command that reads a history; ends it where no source is named.

    options: None for each that was not given; missing: what is said then.
    """
    settings = settings_of(config, given(options))
    if not settings.data.chosen:
        raise fault(missing)
    return settings


def first_days(starts: list[datetime] | None) -> tuple[date, ...] | None:
    """Returns the days of --train-start; ends the command where one is not the beginning of a day."""
    for start in starts or ():
        if start.tzinfo is not None or start.time() != time():
            raise fault(
                f"--train-start {start.isoformat()}: a fold begins with a day of the mapping's zone; give "
                f"the day, such as {start.date()}, or 00:00:00 without an offset"
            )
    return tuple(start.date() for start in starts) if starts else None


def require_files(files: Iterable[str], mapping: str | None) -> None:
    """Ends the command where a path names no file, before anything heavy is loaded."""
    for problem in (missing_files(files), None if mapping is None else missing_mapping(mapping)):
        if problem is not None:
            raise fault(problem)


def require_directory(path: Path, what: str) -> None:
    """Ends the command where there is no such directory; what: what it is called in the message."""
    if not path.is_dir():
        raise fault(f"{path}: there is no {what}")


def require_key(path: Path) -> None:
    """Ends the command where there is no such file of a key, before any work."""
    if not path.is_file():
        raise fault(f"{path}: there is no file of a key")


def _require_sources(data: DataSettings) -> None:
    """Ends the command where the settings name a file or folder that is not there."""
    if data.journal is not None:
        require_directory(data.journal, "directory of a journal")
        if data.journal_keys is not None:
            require_directory(data.journal_keys, "folder of a journal's keys")
    elif data.paths:
        require_files(data.paths, data.mapping)


def told_of(error: Any) -> str:
    """Says in words what pydantic found."""
    lines = [f"  {'.'.join(str(part) for part in found['loc'])}: {found['msg']}" for found in error.errors()]
    return "invalid settings:\n" + "\n".join(lines)
