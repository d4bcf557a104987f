"""Whose signatures a bundle must have: a TOML file of public keys, and how many signers it takes.

A signer may have several keys, an old one and a new one while they change; whatever keys somebody signs with,
they count once. So a trainer with two keys never stands in for an approver.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from kuntur.bundle.refusal import BundleRefusedError, RefusalReason
from kuntur.bundle.signing.envelope import Envelope, EnvelopeError, read_envelope
from kuntur.bundle.signing.keys import KeyFileError, PublicKey, read_public_key
from kuntur.bundle.signing.statement import SIGNATURES, StatementError, read_statement
from kuntur.files.paths import UnusableFileError, read_settings
from kuntur.files.toml import parse_toml
from kuntur.settings.section import Section

MAX_SIGNATURES = 32


class PolicyError(ValueError):
    """A policy that cannot be used: what is wrong with it."""


class _Key(Section):
    signer: str = Field(min_length=1, max_length=64, pattern="^[ -~]+$")
    file: Path
    until: date | None = None


class _File(Section):
    threshold: int = Field(ge=1)
    keys: tuple[_Key, ...] = Field(min_length=1, max_length=MAX_SIGNATURES)

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        signers = len({key.signer for key in self.keys})
        if self.threshold > signers:
            raise ValueError(f"threshold is {self.threshold}, but only {signers} may sign")
        return self


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that counts: whose it is, and the last day, in UTC, on which it does."""

    signer: str
    public: PublicKey
    until: date | None

    def expired(self, now: datetime) -> bool:
        """Returns whether its last day is over."""
        return self.until is not None and now.astimezone(UTC).date() > self.until


@dataclass(frozen=True, slots=True)
class Signed:
    """What the signatures of a bundle say.

    signers: who has signed, sorted; digests: SHA-256 by path as each counted signature has it, by its file.
    """

    signers: tuple[str, ...]
    digests: Mapping[str, Mapping[str, str]]

    def check(self, found: Mapping[str, str]) -> None:
        """Raises BundleRefusedError unless every signature is over these files.

        found: SHA-256 by path; those of further files that a signature is over are not looked at.
        """
        for signature, stated in self.digests.items():
            for name, digest in found.items():
                if name not in stated:
                    raise _invalid(signature, f"is not over {name}")
                if stated[name] != digest:
                    raise _invalid(signature, f"is over another {name}")

    def check_no_more(self, found: Mapping[str, str]) -> None:
        """Raises BundleRefusedError for a signature over a file that is not there, or is another."""
        for signature, stated in self.digests.items():
            for name, digest in stated.items():
                if found.get(name) != digest:
                    raise _invalid(signature, f"is over a file that the bundle does not have: {name[:100]!r}")


@dataclass(frozen=True, slots=True)
class Policy:
    """Which keys count, and how many signers it takes."""

    threshold: int
    keys: tuple[TrustedKey, ...]
    files: tuple[Path, ...] = ()
    """The files that it was read from."""

    def verified(self, signatures: Mapping[str, bytes], now: datetime | None = None) -> Signed:
        """Verifies the signatures of a bundle and returns what they say.

        Args:
            signatures: Content by path in the bundle.
            now: An aware time, by default the clock's.

        Raises:
            BundleRefusedError: One is damaged or not its key's, or too few count.
        """
        now = now or datetime.now(UTC)
        if not signatures:
            message = f"nobody has signed; {self.threshold} of {self._signers()} must have"
            raise BundleRefusedError(RefusalReason.SIGNATURE_MISSING, message)
        if len(signatures) > MAX_SIGNATURES:
            raise _invalid(SIGNATURES, f"holds more than {MAX_SIGNATURES} signatures")
        digests: dict[str, Mapping[str, str]] = {}
        signers: set[str] = set()
        expired: list[str] = []
        unknown: list[str] = []
        for name, content in sorted(signatures.items()):
            key, envelope = self._opened(name, content)
            if key is None:
                unknown.append(f"{name} is of the key {envelope.key_id[:16]}")
                continue
            if not key.public.verifies(envelope.signature, envelope.signed_bytes):
                raise _invalid(name, f"is not the signature of {key.signer}'s key over what it says")
            if key.expired(now):
                expired.append(f"the key {envelope.key_id[:16]} of {key.signer} ended on {key.until}")
                continue
            digests[name] = _statement(name, envelope)
            signers.add(key.signer)
        if len(signers) < self.threshold:
            raise self._too_few(signers, expired, unknown)
        return Signed(tuple(sorted(signers)), digests)

    def _opened(self, name: str, content: bytes) -> tuple[TrustedKey | None, Envelope]:
        try:
            envelope = read_envelope(content)
        except EnvelopeError as error:
            raise _invalid(name, str(error)) from error
        return next((key for key in self.keys if key.public.id == envelope.key_id), None), envelope

    def _too_few(self, signers: set[str], expired: list[str], unknown: list[str]) -> BundleRefusedError:
        if expired:
            return BundleRefusedError(RefusalReason.SIGNATURE_KEY_EXPIRED, "; ".join(expired))
        if not signers:
            message = f"{'; '.join(unknown)}, which the policy does not name"
            return BundleRefusedError(RefusalReason.SIGNATURE_KEY_UNKNOWN, message)
        message = f"only {', '.join(sorted(signers))} signed; {self.threshold} of {self._signers()} must have"
        return BundleRefusedError(RefusalReason.SIGNATURE_BELOW_THRESHOLD, message)

    def _signers(self) -> str:
        return ", ".join(sorted({key.signer for key in self.keys}))


def read_policy(path: Path) -> Policy:
    """Reads a policy and the keys that it names, whose paths are relative to it. Raises PolicyError."""
    try:
        told = _File.model_validate(parse_toml(read_settings(path)))
    except UnusableFileError as error:
        raise PolicyError(f"{path} {error}") from error
    except OSError as error:
        raise PolicyError(f"{path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc'])) or 'policy'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise PolicyError(f"{path}: {'; '.join(lines)}") from error
    files = tuple(path.parent / key.file for key in told.keys)
    try:
        keys = tuple(
            TrustedKey(key.signer, read_public_key(file), key.until)
            for key, file in zip(told.keys, files, strict=True)
        )
    except KeyFileError as error:
        raise PolicyError(f"{path}: {error}") from error
    if len({key.public.id for key in keys}) < len(keys):
        raise PolicyError(f"{path}: names one key twice")
    return Policy(told.threshold, keys, (path, *files))


def sha256(content: bytes) -> str:
    """Returns the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _statement(name: str, envelope: Envelope) -> Mapping[str, str]:
    try:
        return read_statement(envelope.payload)
    except StatementError as error:
        raise _invalid(name, str(error)) from error


def _invalid(name: str, what: str) -> BundleRefusedError:
    return BundleRefusedError(RefusalReason.SIGNATURE_INVALID, f"{name} {what}")
