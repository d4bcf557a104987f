"""Who may call, and what they may do: the settings of `[access]`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from kuntur.settings.section import Section
from server.settings.listening import is_loopback

AccessMode = Literal["open", "required"]
TokenAlgorithm = Literal[
    "ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"
]
ALGORITHMS: tuple[str, ...] = get_args(TokenAlgorithm)
"""What may be allowed: signatures by a private key that the server does not have."""


class Access(Section):
    """Who may call, and what they may do (docs/access.md)."""

    mode: AccessMode = "open"
    """open: whoever reaches the port may do anything, told loudly at the start where the port leaves the
    machine; required: each call needs an identity that the bindings give the role for it."""
    bindings_path: Path | None = None
    """TOML file that binds identities to roles and institutions; read anew when it changes."""
    open_health: bool = True
    """Whether health answers without an identity, as probes and balancers ask for it."""
    open_reflection: bool = False
    """Whether reflection does; else it takes the role reflect."""
    issuer: str = ""
    """Issuer of bearer tokens (JWT), exactly as their claim iss has it; unset: no tokens are taken."""
    audience: str = ""
    """What the claim aud of a token has to hold: the name of this server at the issuer."""
    algorithms: tuple[TokenAlgorithm, ...] = ("ES256", "EdDSA", "PS256", "RS256")
    """Algorithms that tokens may be signed with. None that works with a shared secret can be allowed."""
    jwks_path: Path | None = None
    """File with the issuer's public keys, a JSON Web Key Set; read anew when it changes."""
    jwks_url: str | None = None
    """Address of that set instead: https, or http on this machine alone. No redirect is followed."""
    jwks_ca_path: Path | None = None
    """Certificates, PEM, that vouch for the host of `jwks_url`; unset: those of the system."""
    jwks_refresh_s: float = Field(300.0, ge=1, le=86_400)
    """Time after which the keys of `jwks_url` are fetched anew: a key that was withdrawn counts for so long,
    and one that is published so long before its use costs no call."""
    jwks_unknown_s: float = Field(60.0, ge=1, le=3600)
    """Least time between two fetches because of tokens under an unknown key."""
    leeway_s: float = Field(30.0, ge=0, le=300)
    """How far the issuer's clock may be from this one."""
    max_tokens: int = Field(16_384, ge=1, le=1_000_000)
    """Tokens that are remembered once they were checked, about half a KiB each."""
    token_checks_per_s: float = Field(500.0, gt=0, le=1e6)
    """Tokens that are checked a second, once 256 have been: a check takes a tenth of a millisecond or more.
    Callers of further new ones are told to come again; those of known ones are not kept waiting."""

    @field_validator("algorithms")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no algorithm")
        return value

    @field_validator("jwks_url")
    @classmethod
    def _safe(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if not parts.hostname or parts.username or parts.password:
                raise ValueError("should be https://HOST/PATH, without a user or password")
            if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
                raise ValueError("should start with https://: keys that came unprotected prove nothing")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        tokens = {
            "issuer": self.issuer,
            "audience": self.audience,
            "jwks_path or jwks_url": self.jwks_path or self.jwks_url,
        }
        if self.mode == "open":
            given = [name for name, value in {"bindings_path": self.bindings_path, **tokens}.items() if value]
            if given:
                raise ValueError(
                    f'{given[0]} is set and nobody is asked: set mode to "required", or remove it'
                )
            return self
        if self.bindings_path is None:
            raise ValueError('mode "required" needs bindings_path: nobody could do anything')
        lacking = [name for name, value in tokens.items() if not value]
        if lacking and len(lacking) < len(tokens):
            raise ValueError(f"tokens need {', '.join(lacking)}, too")
        if self.jwks_path and self.jwks_url:
            raise ValueError("the keys are in a file or at an address: set jwks_path or jwks_url, not both")
        return self
