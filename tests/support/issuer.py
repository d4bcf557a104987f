"""An issuer of tokens for tests: keys, key sets and tokens, good and bad."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from server.access.tokens.keys import Keys
from server.access.tokens.reader import TokenReader
from tests.fakes.key_source import FakeKeySource

ISSUER, AUDIENCE = "https://issuer.example", "kuntur"


@dataclass(frozen=True)
class SigningKey:
    """A private key, and how it signs."""

    kid: str
    algorithm: str
    private: Any

    def public(self, **changes: Any) -> dict[str, Any]:
        """Returns its entry in a key set, with some members changed; None removes one."""
        kind: Any = {"ES": ECAlgorithm, "Ed": OKPAlgorithm, "RS": RSAAlgorithm, "PS": RSAAlgorithm}
        entry = json.loads(kind[self.algorithm[:2]].to_jwk(self.private.public_key()))
        entry.pop("key_ops", None)
        entry |= {"kid": self.kid, "use": "sig", "alg": self.algorithm} | changes
        return {name: value for name, value in entry.items() if value is not None}


def signing_key(kid: str, algorithm: str = "ES256") -> SigningKey:
    """Makes a key."""
    private: Any
    if algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    elif algorithm.startswith("ES"):
        curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        private = ec.generate_private_key(curves[algorithm])
    else:
        private = rsa.generate_private_key(65_537, 2048)
    return SigningKey(kid, algorithm, private)


def reader_of(issuer: Issuer, algorithms: Sequence[str], *, unknown_s: float) -> TokenReader:
    """Returns what reads the issuer's tokens, with the keys that it has now.

    unknown_s: time before an unknown key has them looked for again.
    """
    keys = Keys(
        FakeKeySource(issuer.key_set()),
        algorithms,
        refresh_s=300,
        unknown_s=unknown_s,
        reloaded=lambda _, __: None,
    )
    keys.look()
    return TokenReader(keys, issuer=ISSUER, audience=AUDIENCE, algorithms=algorithms, leeway_s=30.0)


@dataclass
class Issuer:
    """Signs tokens with its first key."""

    keys: list[SigningKey] = field(default_factory=lambda: [signing_key("k-1")])

    def key_set(self) -> bytes:
        """Returns its public keys as it publishes them."""
        return json.dumps({"keys": [key.public() for key in self.keys]}).encode()

    def publish(self, path: Path) -> Path:
        """Writes them to a file, as a rotation does: another file in the place of the first."""
        new = path.with_suffix(".new")
        new.write_bytes(self.key_set())
        new.replace(path)
        return path

    def token(
        self,
        subject: str = "core",
        *,
        key: SigningKey | None = None,
        header: dict[str, Any] | None = None,
        lasts_s: float = 3600.0,
        **claims: Any,
    ) -> str:
        """Returns a token; header, claims: what is different in it, None removes a claim."""
        key = key or self.keys[0]
        now = time.time()
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now - 1, "exp": now + lasts_s} | claims
        kept = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(
            kept, key.private, algorithm=key.algorithm, headers={"kid": key.kid, **(header or {})}
        )


def bearer(token: str) -> str:
    """Returns the metadata authorization with a token."""
    return f"Bearer {token}"
