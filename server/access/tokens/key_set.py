"""An issuer's public keys: a JSON Web Key Set (RFC 7517), read with PyJWT, as far as tokens may use it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jwt import PyJWK
from jwt.exceptions import PyJWTError

_MOST_KEYS = 256


class KeySetError(Exception):
    """Bytes that are no set of keys, or one without a key that may be used."""


class KeySet:
    """Keys by their id and algorithm. A key that the set before had as well is the same object in both."""

    def __init__(self, keys: dict[tuple[str, str], PyJWK], entries: dict[tuple[str, str], PyJWK]) -> None:
        self._keys = keys
        self._ids = frozenset(kid for kid, _ in keys)
        self._objects = frozenset(keys.values())
        self.entries = entries
        """By the text of the entry and the algorithm."""

    def __contains__(self, key: object) -> bool:
        return key in self._objects

    def __len__(self) -> int:
        """Returns how many keys there are."""
        return len(self._ids)

    def knows(self, kid: str) -> bool:
        """Returns whether there is a key of this id, for whatever algorithm."""
        return kid in self._ids

    def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Returns the key for a token; kid: as the token has it, None: the only key for the algorithm."""
        if kid is not None:
            return self._keys.get((kid, algorithm))
        fitting = [key for (_, of), key in self._keys.items() if of == algorithm]
        return fitting[0] if len(fitting) == 1 else None


def read_key_set(raw: bytes, algorithms: Sequence[str], former: KeySet | None = None) -> KeySet:
    """Returns the keys of a set that may sign with these algorithms; all others in it are left out.

    former: the set before. Raises KeySetError.
    """
    try:
        entries = json.loads(raw)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeySetError("it is no JSON Web Key Set") from error
    if not isinstance(entries, list) or len(entries) > _MOST_KEYS:
        raise KeySetError(f"its keys are no list of at most {_MOST_KEYS}")
    keys: dict[tuple[str, str], PyJWK] = {}
    made: dict[tuple[str, str], PyJWK] = {}
    for number, entry in enumerate(entries):
        if isinstance(entry, dict) and _for_signatures(entry):
            kid, text = entry.get("kid"), json.dumps(entry, sort_keys=True)
            for algorithm, new in _usable(entry, algorithms):
                key = new if former is None else former.entries.get((text, algorithm), new)
                # Without an id only a token without one finds it; the number keeps such keys apart.
                name = kid if isinstance(kid, str) else f"\0{number}"
                if (name, algorithm) in keys:
                    raise KeySetError("two of its keys have the same id")
                keys[name, algorithm] = made[text, algorithm] = key
    if not keys:
        raise KeySetError(f"none of its keys can be used with {', '.join(algorithms)}")
    return KeySet(keys, made)


def _for_signatures(entry: dict[str, Any]) -> bool:
    """Returns whether a key is public and meant to verify with: a secret one has no business here."""
    operations = entry.get("key_ops")
    return (
        entry.get("kty") in {"EC", "OKP", "RSA"}
        and entry.get("use", "sig") == "sig"
        and "d" not in entry
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


def _usable(entry: dict[str, Any], algorithms: Sequence[str]) -> list[tuple[str, PyJWK]]:
    """Returns the key for each algorithm that it can be used with; none for one that is too short."""
    own = entry.get("alg")
    found = []
    for algorithm in algorithms:
        if own is None or own == algorithm or (own == "Ed25519" and algorithm == "EdDSA"):
            try:
                key = PyJWK(entry, algorithm)
                if key.Algorithm.check_key_length(key.key) is None:
                    found.append((algorithm, key))
            except (PyJWTError, ValueError, TypeError):
                continue  # of another kind or curve, or damaged
    return found
