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
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from kuntur.files.paths import UnusableFileError, read_settings
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.institution import Institution
from kuntur.settings.document import fields
from kuntur.settings.section import Section as _Section
from server.settings.limits import Limits
from server.settings.listening import checked_address, is_socket_file

ENVIRONMENT_PREFIX = "KUNTUR_SERVER_"
CONFIG_VARIABLE = "KUNTUR_SERVER_CONFIG"
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]
TransportChoice = Literal["auto", "fast", "plain"]


class ConfigError(Exception):
    """Settings that cannot be used: what is wrong, a line each."""


class Rpc(_Section):
    """How calls are taken up."""

    transport: TransportChoice = "auto"
    """fast: on grpcio's own core, which is several times faster and leans on its inside; plain: on grpcio
    as it comes; auto: fast where grpcio's inside is what was tested, else plain, with a warning."""


class Models(_Section):
    """Where models come from."""

    poll_interval_s: float = Field(2.0, gt=0, le=3600)
    """Time between two looks at the registry."""
    trial_s: float = Field(60.0, gt=0, le=3600)
    """Time that a model may take to be tried in a process of its own, before the server loads it."""
    trial_bytes: int = Field(2 << 30, ge=256 << 20)
    """Memory that a model may take there, 60 MiB of the process itself included."""
    invalid_value: Literal["error", "review"] = "error"
    """What becomes of a transaction for which the model gives no probability (NaN, 7): an error of its own,
    or the decision REVIEW with the reason."""
    max_call_ms: float = Field(5.0, gt=0, le=1000)
    """Median processor time that a call of one transaction may take there; a slower model is refused."""


class Attributes(_Section):
    """Attributes that do not match the live model's: each is counted by name and logged once, in any case."""

    unknown: Literal["count", "refuse"] = "count"
    """What becomes of a transaction with an attribute that the live model does not take, such as a mistyped
    one: it is scored without it, or refused with INVALID_ARGUMENT and the name that was meant."""
    missing: Literal["count", "refuse"] = "count"
    """What becomes of a transaction without an attribute that the live model takes: it is scored as unset, or
    refused with INVALID_ARGUMENT. What is refused is counted in no history."""


class Reasons(_Section):
    """The reasons that scores carry."""

    per_transaction: int = Field(5, ge=0, le=100)
    """Most of a score, the strongest for and against the customer; 0: none are given, whoever asks."""


class History(_Section):
    """The history behind the features."""

    hash_key: str = DEFAULT_HASH_KEY
    """Key of the ids' hashes, 32 hexadecimal digits; the default is public, set your own in production."""
    recent_transactions: int = Field(2**21, ge=1)
    """Transactions remembered by id, for repeats and outcomes; 80 to 96 bytes each."""
    store: Literal["region", "redis"] = "region"
    """Where it is kept: in memory or a file of this machine, or in a Redis that several share ([redis])."""
    path: Path | None = None
    """File in which it is kept, best on a file system in memory; unset: it ends with the server."""
    max_accounts: int = Field(1_000_000, ge=1, le=2**31)
    """Most accounts kept, 1 KiB each and 12 to 24 bytes of index; then the longest idle make room. Memory is
    taken as accounts come."""
    max_merchants: int = Field(200_000, ge=1, le=2**31)
    """Most merchants kept, 1.3 KiB each."""
    max_devices: int = Field(1_000_000, ge=1, le=2**31)
    """Most devices kept, 1.3 KiB each."""
    max_categories: int = Field(4096, ge=1, le=2**31)
    """Most merchant category codes kept, 1.3 KiB each."""
    check_records_per_s: int = Field(2000, ge=0, le=1_000_000)
    """Records of a history in a file, or shared by workers, that are looked through for damage in the
    background; 0: none."""
    future_tolerance_s: float = Field(300.0, ge=0)
    """How far an event or report may lie after the server's clock. Windows that many share go with the newest
    event: one from the far future would empty them."""

    @field_validator("hash_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        secret_from_hex(value)
        return value


class RedisSettings(_Section):
    """The Redis or Valkey in which servers share the history; used with history.store = "redis"."""

    url: str = "redis://127.0.0.1:6379/0"
    """Address, rediss:// for TLS: redis://USER@HOST:PORT/DATABASE, without a password."""
    password: SecretStr | None = None
    """Password, if it asks for one."""
    key_prefix: str = Field("kuntur:", min_length=1, max_length=64)
    """What the names of all keys start with; servers that share a history have the same."""
    timeout_s: float = Field(0.5, gt=0, le=60)
    """Time to connect, and time for each answer."""
    patience_s: float = Field(2.0, gt=0, le=60)
    """Time after which a request is refused that waits for its turn, or whose records others change."""
    max_tries: int = Field(64, ge=1, le=1000)
    """Tries after which it is refused, too."""
    retention_days: float = Field(400.0, gt=0.001, le=10_000)
    """Time without a change after which a record expires, by Redis's own clock. Above the longest window."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("should start with redis://, rediss:// or unix://")
        if parts.password is not None or "password" in parse_qs(parts.query):
            raise ValueError("holds a password: set redis.password, which is never shown")
        return value


class JournalSettings(_Section):
    """The journal of what was asked and answered."""

    path: Path | None = None
    """Directory of the journal; unset: none is kept."""
    max_queued: int = Field(8192, ge=1)
    """Entries that wait for the disk before callers do."""
    max_file_bytes: int = Field(256 << 20, ge=1 << 10)
    """Size at which a new file is begun."""
    sync_interval_s: float = Field(1.0, ge=0)
    """Time between two syncs to the disk; 32 MiB that wait are synced at once."""
    min_free_bytes: int = Field(64 << 20, ge=0)
    """Room in the journal's file system below which calls are refused, so that what was answered can still be
    written. They are answered again with a quarter more than that."""


class Shutdown(_Section):
    """How the server ends."""

    grace_s: float = Field(20.0, ge=0)
    """Time that calls in flight have to end; below the supervisor's own patience."""
    balancer_wait_s: float = Field(0.0, ge=0)
    """Time between reporting NOT_SERVING and refusing calls, for a balancer to notice."""


class MetricsSettings(_Section):
    """Metrics for Prometheus."""

    host: str = "127.0.0.1"
    """Address to offer them at."""
    port: int = Field(0, ge=0, le=65_535)
    """Port to offer them at, path /metrics; 0: they are not offered."""


class LogSettings(_Section):
    """Logs on standard error."""

    level: LogLevel = "info"
    """Events below it are dropped."""
    format: LogFormat = "console"
    """One JSON object a line, or plain lines for people."""


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
    second; well above what the machine can be busy with something else."""
    core_dumps: bool = False
    """Whether a crash may leave a core dump, and whoever has the server's account may attach a debugger. A
    dump holds keys and ids: only to find a fault, and not with data of customers."""
    institution: Institution = Institution()
    """The institution: the same in the settings of server and trainer."""
    limits: Limits = Limits()
    """How much the server takes at a time."""
    rpc: Rpc = Rpc()
    """How calls are taken up."""
    models: Models = Models()
    """Where models come from."""
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
        if self.workers > 1 and is_socket_file(self.listen_address):
            raise ValueError("only one process can listen on a Unix domain socket: set workers to 1")
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
        # It has no field of its own, and CPython 3.11 fails now and then when two threads parse sources.
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
        return tomllib.loads(read_settings(path))
    except UnusableFileError as error:
        raise ConfigError(f"{path}: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is no TOML: {error}") from error


def _unknown_keys(tree: Mapping[str, Any]) -> Iterator[str]:
    known = known_keys()
    sections = {key.split(".")[0] for key in known if "." in key}
    for key, value in tree.items():
        if key in sections and isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in value if f"{key}.{inner}" not in known)
        elif key not in known and key not in sections:
            yield key


def _nearest(name: str, candidates: list[str]) -> str:
    sections = sorted({key.split(".")[0] for key in candidates if "." in key})
    found = difflib.get_close_matches(name, [*candidates, *sections], n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""
