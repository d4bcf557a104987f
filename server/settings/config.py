"""The server's settings: one TOML file, overridden by environment variables and flags.

A variable is KUNTUR_SERVER_ and the key in capitals, with two underscores for the dot of a section:
KUNTUR_SERVER_LISTEN_ADDRESS, KUNTUR_SERVER_JOURNAL__PATH.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from kuntur.files.paths import UnusableFileError, read_settings
from kuntur.files.toml import parse_toml
from kuntur.institution import Institution
from kuntur.settings.document import fields
from server.settings.access import Access
from server.settings.largest import largest_entry
from server.settings.limits import Limits
from server.settings.listening import checked_address, is_socket_file
from server.settings.sections import (
    Attributes,
    History,
    JournalSettings,
    LogSettings,
    MetricsSettings,
    Models,
    Reasons,
    RedisSettings,
    Rpc,
    Shutdown,
    Signatures,
)
from server.settings.tls import Tls

ENVIRONMENT_PREFIX = "KUNTUR_SERVER_"
CONFIG_VARIABLE = "KUNTUR_SERVER_CONFIG"


class ConfigError(Exception):
    """Settings that cannot be used: what is wrong, a line each."""


class ServerSettings(BaseSettings):
    """All settings of the server."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    listen_address: Annotated[str, AfterValidator(checked_address)] = "127.0.0.1:50051"
    """Where to serve: HOST:PORT, [IPv6]:PORT, or unix:PATH with one worker; port 0 takes a free one."""
    registry_path: Path = Path("registry")
    """Directory of model bundles; need not exist yet."""
    workers: int = Field(0, ge=0, le=256)
    """Processes behind the port, which share the history; 0: one for each core that the server may use, one
    on a Unix domain socket. A connection stays with one of them: a caller that wants all opens several."""
    worker_silence_s: float = Field(15.0, ge=1, le=3600)
    """Time without a sign of life after which a worker is ended and another started. It is asked for one each
    second; set this well above the time for which the machine may be busy with something else."""
    core_dumps: bool = False
    """Whether a crash may leave a core dump, and whoever has the server's account may attach a debugger. A
    dump holds keys and ids: turn this on only to find a fault, and not with data of customers."""
    institution: Institution = Institution()
    """The institution: the same in the settings of server and trainer."""
    limits: Limits = Limits()
    """How much the server takes at a time."""
    access: Access = Access()
    """Who may call, and what they may do."""
    tls: Tls = Tls()
    """TLS on the port of calls."""
    rpc: Rpc = Rpc()
    """How calls are taken up."""
    models: Models = Models()
    """Where models come from."""
    signatures: Signatures = Signatures()
    """Whose signatures a model must have."""
    attributes: Attributes = Attributes()
    """Attributes that do not match the live model's."""
    reasons: Reasons = Reasons()
    """The reasons that scores carry."""
    history: History = History()
    """The history behind the features."""
    redis: RedisSettings = RedisSettings()
    """The Redis or Valkey in which servers share the history."""
    journal: JournalSettings = JournalSettings()
    """The journal of what was asked and answered."""
    shutdown: Shutdown = Shutdown()
    """How the server ends."""
    metrics: MetricsSettings = MetricsSettings()
    """Metrics for Prometheus."""
    log: LogSettings = LogSettings()
    """Logs on standard error."""

    @model_validator(mode="after")
    def _one_process_a_socket_file(self) -> Self:
        addresses = (self.listen_address, self.tls.open_address or "")
        if self.workers > 1 and any(map(is_socket_file, addresses)):
            raise ValueError("only one process can listen on a Unix domain socket: set workers to 1")
        return self

    @model_validator(mode="after")
    def _what_is_removed_is_in_a_snapshot(self) -> Self:
        journal = self.journal
        expires = journal.retention_days is not None or journal.retention_bytes is not None
        if expires and self.history.store == "region" and not self.history.snapshot_interval_s:
            raise ValueError(
                "journal.retention_days and retention_bytes need history.snapshot_interval_s above 0: "
                "without snapshots the history cannot be made anew from what is left"
            )
        return self

    @model_validator(mode="after")
    def _the_buffer_has_room_for_all_that_may_be_asked_or_answered(self) -> Self:
        largest = largest_entry(self.limits, self.reasons.per_transaction)
        if self.journal.buffer_bytes < largest.size_bytes:
            raise ValueError(
                f"journal.buffer_bytes = {self.journal.buffer_bytes} has no room for what may be asked or "
                f"answered at a time with {largest.cause}: set journal.buffer_bytes to "
                f"{largest.size_bytes} or more, or lower the other"
            )
        return self

    @model_validator(mode="after")
    def _callers_can_show_who_they_are(self) -> Self:
        if self.access.mode == "required" and not self.access.issuer and self.tls.client_ca is None:
            raise ValueError(
                'access.mode = "required" and callers have nothing to show: set tls.client_ca or issuer'
            )
        return self


def load_settings(
    path: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> ServerSettings:
    """Returns the settings in force.

    path: the TOML file, by default that of KUNTUR_SERVER_CONFIG, if any; overrides: nested, above file
    and environment. Raises ConfigError with everything that is wrong.
    """
    chosen = path or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    from_file = {} if chosen is None else _read(chosen)
    where = str(chosen)
    unknown = [
        f"{where}: unknown key {key!r}{_nearest(key, known_keys())}" for key in _unknown_keys(from_file)
    ]
    variables = [variable_of(key) for key in known_keys()]
    for name in os.environ:
        # Only names with two underscores: orchestrators set KUNTUR_SERVER_PORT and such by themselves.
        if name.startswith(ENVIRONMENT_PREFIX) and "__" in name and name not in variables:
            unknown.append(f"environment: unknown variable {name!r}{_nearest(name, variables)}")
    if unknown:
        raise ConfigError("\n".join(unknown))

    class Loaded(ServerSettings):
        # It has no field of its own to read, and CPython 3.11 sometimes fails when two threads parse sources.
        model_config = SettingsConfigDict(use_attribute_docstrings=False)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the framework's signature
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    try:
        return Loaded(**dict(overrides or {}))
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(p) for p in e['loc']) or 'settings'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise ConfigError("\n".join(lines)) from error
    except SettingsError as error:
        raise ConfigError(
            f'an environment variable cannot be read: {error}; a list is written as in ["XA", "XB"]'
        ) from error


def variable_of(key: str) -> str:
    """Returns the environment variable of a key such as "journal.path"."""
    return ENVIRONMENT_PREFIX + key.upper().replace(".", "__")


def known_keys() -> list[str]:
    """Returns every key, sections as "section.key"."""
    return [f"{section}.{name}" if section else name for section, name, _ in fields(ServerSettings)]


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_settings(path))
    except UnusableFileError as error:
        raise ConfigError(f"{path}: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error


def _unknown_keys(tree: Mapping[str, Any]) -> Iterator[str]:
    known = known_keys()
    sections = {key.rpartition(".")[0] for key in known}
    for key, value in _keys(tree, sections):
        if key not in known and not (key in sections and not isinstance(value, dict)):
            yield key


def _keys(tree: Mapping[str, Any], sections: set[str], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the keys of a file with their values, those of sections in place of the sections."""
    for name, value in tree.items():
        key = f"{above}{name}"
        if key in sections and isinstance(value, dict):
            yield from _keys(value, sections, f"{key}.")
        else:
            yield key, value


def _nearest(name: str, candidates: list[str]) -> str:
    sections = sorted({key.rpartition(".")[0] for key in candidates if "." in key})
    found = difflib.get_close_matches(name, [*candidates, *sections], n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""
