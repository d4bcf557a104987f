"""What a signature is over: an in-toto statement of OpenSSF Model Signing 1.0, each file with its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SIGNATURES = "signatures"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class StatementError(ValueError):
    """A payload that is no such statement; the message says what is wrong, behind the file's name."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)  # the format has verifiers pass over fields that they do not know


class _Digest(_Part):
    sha256: _Sha256


class _Subject(_Part):
    name: str
    digest: _Digest


class _Serialization(_Part):
    method: Literal["files"]
    hash_type: Literal["sha256"]


class _Resource(_Part):
    name: str
    algorithm: Literal["sha256"]
    digest: _Sha256


class _Predicate(_Part):
    serialization: _Serialization
    resources: tuple[_Resource, ...]


class _Statement(_Part):
    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[_Subject]
    predicate_type: Literal["https://model_signing/signature/v1.0"] = Field(alias="predicateType")
    predicate: _Predicate


def write_statement(model_name: str, digests: Mapping[str, str]) -> bytes:
    """Returns the statement of a model.

    Args:
        model_name: Name of its directory.
        digests: SHA-256 in hexadecimal by path in the directory, all files but signatures.
    """
    names = sorted(digests, key=PurePosixPath)
    statement = {
        "_type": _STATEMENT_TYPE,
        "subject": [{"name": model_name, "digest": {"sha256": _root(digests[name] for name in names)}}],
        "predicateType": _PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURES],
            },
            "resources": [{"name": name, "algorithm": "sha256", "digest": digests[name]} for name in names],
        },
    }
    return json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()


def read_statement(payload: bytes) -> dict[str, str]:
    """Reads a statement whose signature was verified, and returns SHA-256 by path. Raises StatementError."""
    try:
        statement = _Statement.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "document"
        raise StatementError(f"is over no statement of this form: {field}: {first['msg']}") from error
    resources = statement.predicate.resources
    digests = {resource.name: resource.digest for resource in resources}
    if len(digests) != len(resources):
        raise StatementError("is over a statement that names a file twice")
    if _root(resource.digest for resource in resources) != statement.subject[0].digest.sha256:
        raise StatementError("is over a statement that does not add up to its own digest")
    return digests


def _root(digests: Iterable[str]) -> str:
    """Returns the digest of the whole: SHA-256 over those of the files, one behind the other."""
    return hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests)).hexdigest()
