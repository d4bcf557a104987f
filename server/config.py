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
    BaseModel,
    ConfigDict,
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

from kuntur.identity import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.institution import Institution
from kuntur.paths import UnusableFileError, read_settings
from kuntur.settings_document import fields
from server.listening import checked_address, is_socket_file

ENVIRONMENT_PREFIX = "KUNTUR_SERVER_"
CONFIG_VARIABLE = "KUNTUR_SERVER_CONFIG"
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]
TransportChoice = Literal["auto", "fast", "plain"]


class ConfigError(Exception):
    """Settings that cannot be used: what is wrong, a line each."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Limits(_Section):
    """How much the server takes at a time. What is beyond waits on the caller's side or is refused."""

    max_unary_in_flight: int = Field(1024, ge=1, le=65_536)
    """Unary calls whose requests have come and whose answers have not left. A call that is still being sent
    takes no place."""
    target_wait_s: float = Field(0.01, gt=0, le=10)
    """Wait of a unary call for its turn that is no overload. While it has been longer for 100 ms on end,
    newcomers are refused, within `refusals_per_s`; a shorter stall costs time and no refusal."""
    refusals_per_s: float = Field(1000.0, gt=0, le=1e6)
    """Calls, and streams, refused with a reason and RetryInfo a second, after 64 at once. It costs as much as
    to answer a call; further refusals wait for their turn."""
    max_unary_per_caller: int | None = Field(None, ge=1, le=65_536)
    """Unary calls of one caller in flight; unset: half of `max_unary_in_flight` at most. As many as that, or
    more: no limit of its own."""
    max_streams: int = Field(512, ge=1, le=4096)
    """Streams open whose first message has come. Those of backfill and reflection have a thread each, which
    is started when it is needed."""
    max_streams_per_caller: int | None = Field(None, ge=1, le=4096)
    """Streams of one caller; unset: half of `max_streams`. As many as that, or more: no limit of its own."""
    stream_idle_s: float = Field(10.0, ge=0, le=86_400)
    """A stream on which nothing has moved for so long gives up its place when another would be refused."""
    caller_timeout_s: float = Field(5.0, gt=0, le=3600)
    """Time that a caller has to send the rest of a request, once it has begun one, and to read an answer to
    a unary call; then the call is ended."""
    max_streams_per_connection: int = Field(64, ge=1, le=65_536)
    """HTTP/2 streams, which are calls of any kind, that a connection may have open at a time, as it is told
    when it is made. What its caller has beyond that waits on the caller's side, within its deadline."""
    max_connections: int = Field(1024, ge=1, le=1_000_000)
    """Connections open at a time; one more is closed as soon as it is made."""
    max_connection_age_s: float = Field(3600.0, ge=1, le=30 * 86_400)
    """Time after which a connection is asked to end, up to a tenth more or less, so that callers connect
    anew, perhaps to another worker or server. Calls and streams on it go on for as long as
    `max_stream_lifetime_s`."""
    max_stream_lifetime_s: float = Field(3600.0, gt=0, le=30 * 86_400)
    """Longest time that a stream is open, up to a tenth less; then its caller opens another."""
    caller_metadata_key: str = Field("", pattern="^[a-z0-9_.-]*$")
    """Key of the metadata by which a proxy in front names callers that TLS does not name; unset or not
    sent: callers go by their address. Whoever can reach the server can name itself anything."""
    control_threads: int = Field(8, ge=2, le=64)
    """Threads of health, models and reflection, which answer at full load."""
    max_frame_transactions: int = Field(4096, ge=1, le=65_536)
    """Transactions in a frame of a stream."""
    max_request_outcomes: int = Field(4096, ge=1, le=1_000_000)
    """Outcomes in a report."""
    max_message_bytes: int = Field(8 << 20, ge=1 << 10, le=1 << 30)
    """Size of a request or frame, decompressed. A frame of 4096 transactions takes about one MiB."""
    max_held_bytes: int = Field(64 << 20, ge=1 << 20, le=1 << 40)
    """Requests and frames that have come, decompressed, and wait for their turn, in all. With half of it no
    stream is read ahead; what is beyond is refused."""
    keepalive_s: float = Field(60.0, ge=1, le=7200)
    """A connection silent for so long is asked for a sign of life; without one for a third of this, its
    streams are free again."""
    retry_delay_s: float = Field(1.0, gt=0, le=3600)
    """Time after which a caller that was refused for load, start or end should come again."""


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
    """Transactions remembered by id, for repeats and outcomes; 80 bytes each."""
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
    """Time between two syncs to the disk."""


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
    """Gives the settings in force.

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
    """Gives the environment variable of a key such as "journal.path"."""
    return ENVIRONMENT_PREFIX + key.upper().replace(".", "__")


def known_keys() -> list[str]:
    """Gives every key, sections as "section.key"."""
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
