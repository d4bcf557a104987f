"""The readers of who calls and what they may do: tokens, key sets, certificates, bindings."""

from __future__ import annotations

import base64
import json
import math
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from server.access.bindings import Bindings, BindingsError, read_bindings
from server.access.guard import Guard
from server.access.identity import MAX_IDENTITY, identity_of_certificate, is_spiffe_id, thumbprint_of
from server.access.tokens.key_set import KeySetError, read_key_set
from server.access.tokens.reader import TokenReader
from server.errors import AccessDeniedError, CertificateInvalidError
from tests.fuzzing.script import Script, block, check_one
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, SigningKey, bearer, reader_of

INSTRUMENTED = ["server.access", "kuntur.settings", "jwt", "tomllib"]
DICTIONARY = [
    b'"alg"', b'"kid"', b'"k-1"', b'"EdDSA"', b'"ES256"', b'"none"', b'"crit"', b'"b64"', b'"exp"', b'"sub"',
    b'"iss"', b'"aud"', b'"nbf"', b'"iat"', b'"cnf"', b'"x5t#S256"', b"1e999", b"NaN", b"Infinity", b'"keys"',
    b'"kty"', b'"OKP"', b'"EC"', b'"RSA"', b'"crv"', b'"Ed25519"', b'"P-256"', b'"use"', b'"key_ops"',
    b"spiffe://", b"dn:", b"token:", b"[[binding]]", b"identities", b"roles", b"institutions", b"max_calls",
    b"max_streams", b"[[", b"{", b"\\u0000", b"-----BEGIN CERTIFICATE-----", b"Bearer ",
    b"9999999999999999999",
]  # fmt: skip
_ALGORITHMS = ("ES256", "EdDSA", "RS256")
_METHOD = "/kuntur.api.v1.ScoringService/ScoreTransaction"
_IDENTITIES = ("spiffe://bank.example/core/eu/1", "dn:CN=core", "token:core", "")
_LONG_S = 4_000_000_000


@cache
def _key() -> SigningKey:
    return SigningKey("k-1", "EdDSA", ed25519.Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32))


@cache
def _issuer() -> Issuer:
    private = ec.derive_private_key(123_456_789, ec.SECP256R1())
    return Issuer([_key(), SigningKey("k-2", "ES256", private)])


@cache
def _reader() -> TokenReader:
    return reader_of(_issuer(), _ALGORITHMS, unknown_s=1e9)


@cache
def _bindings() -> Bindings:
    return read_bindings(_BINDINGS)


def check(data: bytes) -> None:
    """Has one of the readers read what is behind the first byte."""
    check_one(_CHECKS, data)


def _check_text(script: Script) -> None:
    """A token that anybody may send: nobody has a key of the issuer, so all others are refused."""
    text = script.rest().decode("latin-1")
    try:
        _reader().read(text)
    except AccessDeniedError:
        return
    assert text in _good(), "a token passed that the issuer did not sign"


def _check_signed(script: Script) -> None:
    """Whatever the issuer signs is read as it says, or refused."""
    header, claims = script.block(), script.block()
    token = _signed(header, claims)
    try:
        read = _reader().read(token)
    except AccessDeniedError:
        return
    said = json.loads(claims)
    assert read.identity == f"token:{said['sub']}"
    assert 0 < len(said["sub"]) <= MAX_IDENTITY
    assert said["iss"] == ISSUER
    assert said["aud"] == AUDIENCE or AUDIENCE in said["aud"]
    assert math.isfinite(read.expires)
    assert read.expires > time.time()


def _signed(header: bytes, claims: bytes) -> str:
    text = f"{_part(header)}.{_part(claims)}"
    return f"{text}.{_part(_key().private.sign(text.encode()))}"


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _check_key_set(script: Script) -> None:
    raw = script.rest()
    try:
        keys = read_key_set(raw, _ALGORITHMS)
    except KeySetError:
        return
    assert len(keys) >= 1
    again = read_key_set(raw, _ALGORITHMS, keys)
    assert all(key in keys for key in again.entries.values())


def _check_certificate(script: Script) -> None:
    raw = script.rest()
    for pem in (raw, _pem(raw)):
        try:
            identity = identity_of_certificate(pem)
        except CertificateInvalidError:
            continue
        assert len(identity) <= MAX_IDENTITY + len("dn:")
        assert identity.startswith("dn:") or is_spiffe_id(identity)
        assert len(thumbprint_of(pem)) == 43


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def _check_bindings(script: Script) -> None:
    try:
        bindings = read_bindings(script.rest())
    except BindingsError:
        return
    for identity in _IDENTITIES:
        binding = bindings.of(identity)
        assert binding is None or binding.methods is not None


def _check_guard(script: Script) -> None:
    """What a call shows comes to a caller whom the bindings know, or is refused."""
    certificate, authorization = script.block(), script.rest().decode("latin-1")
    guard = Guard(_bindings(), _reader(), checks_per_s=1e9)
    for shown in (None, authorization, f"Bearer {authorization}"):
        try:
            caller = guard.admit(_METHOD, lambda: _pem(certificate) if certificate else None, shown)
        except AccessDeniedError:
            continue
        assert _bindings().of(caller.identity) is not None
        assert guard.recall(_METHOD, shown) in (caller, None)


_CHECKS = (
    _check_text,
    _check_signed,
    _check_key_set,
    _check_certificate,
    _check_bindings,
    _check_guard,
)

_BINDINGS = b"""[[binding]]
identities = ["spiffe://bank.example/core/*/**", "spiffe://bank.example/desk", "dn:CN=core"]
roles = ["score", "report_outcomes"]
institutions = ["bank-a", "bank-b"]
max_calls = 10

[[binding]]
identities = ["token:core"]
roles = ["score"]
institutions = ["*"]
max_streams = 4

[[binding]]
identities = ["token:audit"]
roles = ["audit"]
"""


@cache
def _good() -> tuple[str, ...]:
    return _signed(_HEADER, _claims()), _signed(_HEADER, _claims(cnf={"x5t#S256": "A" * 43}))


_HEADER = json.dumps({"alg": "EdDSA", "kid": "k-1", "typ": "JWT"}).encode()


def _claims(**changes: Any) -> bytes:
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "core", "iat": 1_700_000_000, "exp": _LONG_S}
    return json.dumps(said | changes).encode()


def _certificate(subject: str, *uris: str) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(_key().private.public_key())
        .serial_number(7)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
    )
    if uris:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(each) for each in uris])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(_key().private, None).public_bytes(Encoding.DER)


def seeds() -> list[bytes]:
    """Returns an input for each way that something may pass."""
    core = "spiffe://bank.example/core/eu/1"
    certificates = [_certificate("core"), _certificate("", core), _certificate("x", core, core)]
    other = json.dumps({"alg": "ES256", "kid": "k-2"}).encode()
    claims = [_claims(), _claims(aud=["x", AUDIENCE], nbf=1), _claims(cnf={"x5t#S256": "A" * 43}), b"[1]"]
    return [
        *(bytes([0]) + token.encode() for token in _good()),
        *(bytes([1]) + block(_HEADER) + block(each) for each in claims),
        bytes([1]) + block(other) + block(_claims()),
        bytes([2]) + _issuer().key_set(),
        *(bytes([3]) + each for each in certificates),
        bytes([3]) + _pem(certificates[1]),
        *(bytes([4]) + each for each in (_BINDINGS, b"a=" + b"[" * 2000, b"a = " + b"9" * 64)),
        bytes([5]) + block(certificates[1]),
        *(bytes([5]) + block(b"") + token.encode() for token in _good()),
        bytes([5]) + block(certificates[0]) + bearer(_good()[0]).encode(),
    ]
