"""The sections of the server's settings, each field with its default, its range and its meaning.

Those of `[limits]` are in `server.settings.limits`, those of `[tls]` in `server.settings.tls`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.settings.section import Section

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]
TransportChoice = Literal["auto", "fast", "plain"]


class Rpc(Section):
    """How calls are taken up."""

    transport: TransportChoice = "auto"
    """fast: on grpcio's inside, which is several times faster; plain: on grpcio's public API; auto: fast
    where grpcio's inside is as it was tested, else plain, with a warning."""


class Models(Section):
    """Where models come from."""

    poll_interval_s: float = Field(2.0, gt=0, le=3600)
    """Time between two looks at the registry."""
    trial_s: float = Field(60.0, gt=0, le=3600)
    """Time that a model may take to be tried in a process of its own, before the server loads it."""
    trial_bytes: int = Field(2 << 30, ge=256 << 20)
    """Memory that a model may take there, including 60 MiB of the process itself."""
    invalid_value: Literal["error", "review"] = "error"
    """What becomes of a transaction for which the model returns no probability (NaN, 7): an error of its own,
    or the decision REVIEW with the reason."""
    max_call_ms: float = Field(5.0, gt=0, le=1000)
    """Median processor time that a call of one transaction may take there; a slower model is refused."""


class Signatures(Section):
    """Whose signatures a model must have before it may go live."""

    policy: Path | None = None
    """TOML file that names the keys and how many signers it takes (docs/signing.md), read anew for each
    bundle; unset: whoever can write into the registry chooses the model."""
    newest_live: Path | None = None
    """File in which the newest model that was ever live is kept, where nobody but the server writes: an older
    one is refused from then on. Unset: that is known while the server runs, and forgotten when it ends."""

    @model_validator(mode="after")
    def _newest_of_signed(self) -> Self:
        if self.newest_live is not None and self.policy is None:
            raise ValueError(
                "newest_live needs a policy: without signatures nobody vouches for a model's age"
            )
        return self


class Attributes(Section):
    """Attributes that do not match the live model's: in any case each is counted by name and logged once."""

    unknown: Literal["count", "refuse"] = "count"
    """What becomes of a transaction with an attribute that the live model does not take, such as a mistyped
    one: it is scored without it, or refused with INVALID_ARGUMENT and the name that was meant."""
    missing: Literal["count", "refuse"] = "count"
    """What becomes of a transaction without an attribute that the live model takes: it is scored as unset, or
    refused with INVALID_ARGUMENT. What is refused is counted in no history."""


class Reasons(Section):
    """The reasons that scores carry."""

    per_transaction: int = Field(5, ge=0, le=100)
    """Most reasons of a score, the strongest for and against the customer; 0: none, even on request."""


class History(Section):
    """The history behind the features."""

    hash_key: str = DEFAULT_HASH_KEY
    """Key of the ids' hashes, 32 hexadecimal digits; the default is public, set your own in production."""
    recent_transactions: int = Field(2**21, ge=1)
    """Transactions remembered by id, for repeats and outcomes; 96 to 112 bytes each."""
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
    snapshot_interval_s: float = Field(900.0, ge=0)
    """Time between two snapshots beside the journal, from which a server that starts makes its history anew;
    0: none are taken, and it is made from the whole journal."""
    check_records_per_s: int = Field(2000, ge=0, le=1_000_000)
    """Records of a history in a file, or shared by workers, that are checked for damage in the background;
    0: none."""
    future_tolerance_s: float = Field(300.0, ge=0)
    """How far an event or report may lie after the server's clock. Windows move with the newest event: one
    from the far future would empty those that many share."""

    @field_validator("hash_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        secret_from_hex(value)
        return value


class RedisSettings(Section):
    """The Redis or Valkey in which servers share the history; used with history.store = "redis"."""

    url: str = "redis://127.0.0.1:6379/0"
    """Address, rediss:// for TLS: redis://USER@HOST:PORT/DATABASE, without a password."""
    password: SecretStr | None = None
    """Password, if it asks for one."""
    ca: Path | None = None
    """PEM file with the CAs that Redis's certificate must be of (rediss://); unset: those of the system."""
    certificate: Path | None = None
    """PEM file with the certificate to show to Redis, if it asks for one."""
    key: Path | None = None
    """PEM file with its private key, not encrypted."""
    key_prefix: str = Field("kuntur:", min_length=1, max_length=64)
    """What the names of all keys start with; servers that share a history have the same."""
    timeout_s: float = Field(0.5, gt=0, le=60)
    """Time to connect, and time for each answer."""
    patience_s: float = Field(2.0, gt=0, le=60)
    """Time after which a request is refused that waits for its turn, or whose records keep changing."""
    max_tries: int = Field(64, ge=1, le=1000)
    """Tries after which such a request is refused."""
    retention_days: float = Field(400.0, gt=0.001, le=10_000)
    """Time without a change after which a record expires. Set it above the longest window."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("should start with redis://, rediss:// or unix://")
        if parts.password is not None or "password" in parse_qs(parts.query):
            raise ValueError("holds a password: set redis.password, which is never shown")
        return value

    @model_validator(mode="after")
    def _files_need_tls(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: set both, or neither")
        if (self.ca or self.certificate) and not self.url.startswith("rediss://"):
            raise ValueError("ca and certificate need TLS: begin url with rediss://")
        return self


class JournalEncryption(Section):
    """Encryption of the journal's files where they lie."""

    keys: Path | None = None
    """Folder of the keys, which `kuntur-server journal newkey` makes; unset: new files are not encrypted."""
    writes_with: str | None = None
    """Name of the key's file that new files are encrypted with; unset: the last by name. A server takes
    another at its next start."""


class JournalSigning(Section):
    """Signed checkpoints of the journal (docs/transparency.md)."""

    keys: Path | None = None
    """Folder of the keys that sign, `*.key`, made by `kuntur-server journal keygen`; their name is the origin
    of the log. A process of its own reads them, and no other. Unset: nothing is signed."""
    log: Path | None = None
    """Folder of the tree and the newest checkpoint; unset: `log` in the journal's directory."""
    interval_s: float = Field(1.0, ge=0.01, le=3600)
    """Longest time between an entry on the disk and the checkpoint over it."""
    max_entries: int = Field(100_000, ge=1)
    """Entries after which a checkpoint is signed at once."""
    witnesses: tuple[str, ...] = ()
    """Witnesses that are asked to cosign, each as its URL, a blank and its verifier key."""
    witness_interval_s: float = Field(10.0, ge=0.01, le=86_400)
    """Time between two rounds of the witnesses."""

    @field_validator("witnesses")
    @classmethod
    def _are_witnesses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from kuntur.transparency.errors import NoteError
        from kuntur.transparency.notes.keys import KeyKind, VerifierKey

        for line in value:
            url, *keys = line.split()
            if urlsplit(url).scheme not in {"http", "https"} or not keys:
                raise ValueError(f"{line!r} should be a URL with http:// or https://, a blank, and a key")
            try:
                kinds = {VerifierKey.parse(key).kind for key in keys}
            except NoteError as error:
                raise ValueError(str(error)) from error
            if kinds != {KeyKind.WITNESS}:
                raise ValueError(f"the key of {url} is not a witness's")
        return value


class JournalSettings(Section):
    """The journal of what was asked and answered."""

    path: Path | None = None
    """Directory of the journal; unset: none is kept."""
    durability: Literal["process", "disk"] = "process"
    """What an entry survives when its answer leaves: "process", that all processes of the server are killed,
    since it is in the kernel's memory; "disk", that the machine fails, since it is synced, many entries at a
    time."""
    buffer_bytes: int = Field(16 << 20, ge=4 << 20, le=1 << 30)
    """Room for entries that are not on the disk yet; when half of it is taken, callers wait. What is asked or
    answered at a time has to fit: a start that finds it too small for `limits` and `reasons` says how large
    it has to be. Another size is taken at the next start."""
    max_file_bytes: int = Field(256 << 20, ge=1 << 10)
    """Size at which a new file is begun."""
    sync_interval_s: float = Field(1.0, ge=0)
    """Time between two syncs to the disk if `durability` is "process"; shorter once a quarter of the buffer
    is taken."""
    min_free_bytes: int = Field(64 << 20, ge=0)
    """Room in the journal's file system below which calls are refused, so that what was answered can still be
    written. They are answered again with a quarter more than that."""
    retention_days: float | None = Field(None, gt=0, le=100_000)
    """Age of its last entry at which a file is removed; unset: none is for its age."""
    retention_bytes: int | None = Field(None, ge=1 << 20)
    """Size of all files beyond which the oldest are removed; unset: none is for that."""
    encryption: JournalEncryption = JournalEncryption()
    """Encryption of the journal's files where they lie."""
    checkpoints: tuple[Path, ...] = ()
    """Further folders for signed checkpoints, best on other volumes or machines: what is cut off or put back
    together with the journal's own folder is found by them."""
    signing: JournalSigning = JournalSigning()
    """Signed checkpoints of the journal."""

    @model_validator(mode="after")
    def _signs_something(self) -> Self:
        if self.signing.keys is not None and self.path is None:
            raise ValueError("signing.keys is set, and there is no journal to sign: set path")
        if self.checkpoints and self.signing.keys is None:
            raise ValueError("checkpoints is set, and nothing signs any: set signing.keys")
        return self


class Shutdown(Section):
    """How the server ends."""

    grace_s: float = Field(20.0, ge=0)
    """Time that calls in flight have to end. Set it below the time after which the supervisor kills."""
    balancer_wait_s: float = Field(0.0, ge=0)
    """Time between reporting NOT_SERVING and refusing calls, for a balancer to notice."""


class MetricsSettings(Section):
    """Metrics for Prometheus."""

    host: str = "127.0.0.1"
    """Address to offer them at."""
    port: int = Field(0, ge=0, le=65_535)
    """Port to offer them at, path /metrics; 0: they are not offered."""
    certificate: Path | None = None
    """PEM file with the certificate of the page, then those between it and its CA; unset: plain HTTP."""
    key: Path | None = None
    """PEM file with its private key, not encrypted."""
    client_ca: Path | None = None
    """PEM file with the CAs of which whoever asks must show a certificate; unset: nobody has to show one."""

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: set both, or neither")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca needs TLS: set certificate and key")
        return self


class LogSettings(Section):
    """Logs on standard error."""

    level: LogLevel = "info"
    """Events below it are dropped."""
    format: LogFormat = "console"
    """One JSON object a line, or plain lines for people."""
