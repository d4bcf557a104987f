"""A bearer token, its issuer's keys and who it is bound to, for measurements of access."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

_ISSUER, _AUDIENCE = "https://issuer.bench", "kuntur"
_LASTS_S = 86_400
_BINDINGS = """\
[[binding]]
identities = ["token:bench"]
roles = ["score", "backfill", "read_models"]
institutions = ["*"]
"""


class Access(NamedTuple):
    """What a server and its caller need."""

    settings: dict[str, str]
    """By key, for the server."""
    token: Path
    """File with the token."""

    @property
    def authorization(self) -> str:
        """The metadata of that name."""
        return f"Bearer {self.token.read_text()}"


def access(folder: Path) -> Access:
    """Writes keys, bindings and a token signed on P-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(ECAlgorithm.to_jwk(key.public_key())) | {"kid": "bench", "alg": "ES256"}
    public.pop("key_ops", None)
    keys, bindings, token = folder / "keys.json", folder / "bindings.toml", folder / "token"
    keys.write_text(json.dumps({"keys": [public]}))
    bindings.write_text(_BINDINGS)
    claims = {"iss": _ISSUER, "aud": _AUDIENCE, "sub": "bench", "exp": int(time.time()) + _LASTS_S}
    token.touch(mode=0o600)
    token.write_text(jwt.encode(claims, key, algorithm="ES256", headers={"kid": "bench"}))
    settings = {
        "access.mode": "required",
        "access.bindings_path": str(bindings),
        "access.issuer": _ISSUER,
        "access.audience": _AUDIENCE,
        "access.jwks_path": str(keys),
    }
    return Access(settings, token)
