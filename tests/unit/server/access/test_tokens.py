from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server.access.tokens.keys import Keys
from server.access.tokens.reader import MAX_TOKEN_CHARACTERS, TokenReader
from server.errors import (
    AccessDeniedError,
    KeyPendingError,
    KeyUnknownError,
    TokenAudienceError,
    TokenExpiredError,
    TokenInvalidError,
    TokenIssuerError,
    TokenNotYetValidError,
)
from server.settings.access import ALGORITHMS
from tests.fakes.key_source import FakeKeySource
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, SigningKey, signing_key

_DEFAULT = ("ES256", "EdDSA", "PS256", "RS256")


def reader_of(raw: bytes, algorithms: tuple[str, ...] = _DEFAULT, leeway_s: float = 30.0) -> TokenReader:
    keys = Keys(FakeKeySource(raw), algorithms, refresh_s=300, unknown_s=60, reloaded=lambda _, __: None)
    keys.look()
    return TokenReader(keys, issuer=ISSUER, audience=AUDIENCE, algorithms=algorithms, leeway_s=leeway_s)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer([signing_key("k-1"), signing_key("k-rsa", "RS256"), signing_key("k-ed", "EdDSA")])


@pytest.fixture(scope="module")
def reader(issuer: Issuer) -> TokenReader:
    return reader_of(issuer.key_set())


def part(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_token_names_its_subject_and_its_end_with_the_leeway(issuer: Issuer, reader: TokenReader) -> None:
    token = reader.read(issuer.token("core", exp=time.time() + 100))
    assert token.identity == "token:core"
    assert 120 < token.expires - time.time() <= 130
    assert token.bound_to is None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_that_may_be_allowed_verifies(algorithm: str) -> None:
    issuer = Issuer([signing_key("k", algorithm)])
    assert reader_of(issuer.key_set(), (algorithm,)).read(issuer.token()).identity == "token:core"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"lasts_s": -31.0}, TokenExpiredError),
        ({"nbf": time.time() + 1e6}, TokenNotYetValidError),
        ({"iat": time.time() + 1e6}, TokenNotYetValidError),
        ({"iss": "https://other.example"}, TokenIssuerError),
        ({"iss": ISSUER + "/"}, TokenIssuerError),
        ({"iss": [ISSUER]}, TokenIssuerError),
        ({"aud": "other"}, TokenAudienceError),
        ({"aud": ["other", "kuntu"]}, TokenAudienceError),
        ({"aud": []}, TokenInvalidError),
        ({"aud": {"kuntur": 1}}, TokenAudienceError),
        ({"exp": None}, TokenInvalidError),
        ({"iss": None}, TokenInvalidError),
        ({"aud": None}, TokenInvalidError),
        ({"sub": None}, TokenInvalidError),
        ({"sub": ""}, TokenInvalidError),
        ({"sub": 7}, TokenInvalidError),
        ({"sub": "a\nb"}, TokenInvalidError),
        ({"exp": "tomorrow"}, TokenInvalidError),
        ({"exp": 1e400}, TokenInvalidError),
        ({"exp": [1]}, TokenInvalidError),
        ({"cnf": {"jkt": "x"}}, TokenInvalidError),
        ({"cnf": "x"}, TokenInvalidError),
        ({"cnf": {"x5t#S256": "x", "jkt": "y"}}, TokenInvalidError),
        ({"header": {"kid": "k-9"}}, KeyUnknownError),
        ({"header": {"kid": 7}}, TokenInvalidError),
        ({"header": {"kid": "k-rsa"}}, TokenInvalidError),
        ({"header": {"kid": None}}, TokenInvalidError),
        ({"header": {"crit": ["exp"]}}, TokenInvalidError),
        ({"header": {"crit": []}}, TokenInvalidError),
    ],
    ids=str,
)
def test_each_fault_of_a_token_has_its_reason(
    issuer: Issuer, reader: TokenReader, changes: dict[str, Any], error: type[AccessDeniedError]
) -> None:
    try:
        token = issuer.token(**changes)
    except (TypeError, ValueError, jwt.PyJWTError):  # what the library will not write: by hand
        token = _by_hand(issuer, changes)
    with pytest.raises(error) as caught:
        reader.read(token)
    assert type(caught.value) is error


def _by_hand(issuer: Issuer, changes: dict[str, Any]) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "core", "exp": time.time() + 60} | changes
    header = {"alg": "ES256", "kid": "k-1"} | claims.pop("header", {})
    return signed(issuer.keys[0], header, claims)


def signed(key: SigningKey, header: dict[str, Any], claims: Any) -> str:
    """Returns a token with any header and claims, signed as `key` signs."""
    from jwt.algorithms import get_default_algorithms

    text = f"{part(header)}.{part(claims)}"
    signature = get_default_algorithms()[key.algorithm].sign(text.encode(), key.private)
    return f"{text}.{part(signature)}"


def test_within_the_leeway_a_token_is_good(issuer: Issuer, reader: TokenReader) -> None:
    assert reader.read(issuer.token(lasts_s=-25.0, nbf=time.time() + 25)).identity == "token:core"


def test_an_unsigned_token_is_refused(issuer: Issuer, reader: TokenReader) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "core", "exp": time.time() + 60}
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        unsigned = f"{part({'alg': algorithm, 'kid': 'k-1'})}.{part(claims)}."
        for token in (unsigned, unsigned + "AA", unsigned + issuer.token().rsplit(".")[-1]):
            with pytest.raises(TokenInvalidError):
                reader.read(token)


def test_a_public_key_is_never_taken_for_a_shared_secret(issuer: Issuer) -> None:
    import hashlib
    import hmac

    everything = reader_of(issuer.key_set())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "core", "exp": time.time() + 60}
    for key in issuer.keys:
        public = key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for secret in (public, public.strip(), json.dumps(key.public()).encode(), b""):
            for algorithm, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
                text = f"{part({'alg': algorithm, 'kid': key.kid})}.{part(claims)}"
                forged = f"{text}.{part(hmac.new(secret, text.encode(), digest).digest())}"
                with pytest.raises(TokenInvalidError):
                    everything.read(forged)


def test_a_key_that_comes_with_the_token_is_not_looked_at(issuer: Issuer, reader: TokenReader) -> None:
    own = signing_key("k-1")
    for header in ({"jwk": own.public()}, {"jku": "https://evil.example"}, {"x5u": "https://evil.example"}):
        with pytest.raises(TokenInvalidError):
            reader.read(issuer.token(key=own, header=header))


def test_an_algorithm_that_is_not_allowed_is_refused_even_where_its_key_is_published() -> None:
    issuer = Issuer([signing_key("k", "RS256")])
    raw = json.dumps({"keys": [issuer.keys[0].public(alg=None)]}).encode()
    reader = reader_of(raw, ("PS256", "ES256"))
    with pytest.raises(TokenInvalidError, match="algorithm that is not allowed"):
        reader.read(issuer.token())
    padded = SigningKey("k", "PS256", issuer.keys[0].private)
    assert reader.read(issuer.token(key=padded)).identity == "token:core"


def test_the_algorithm_of_a_key_binds() -> None:
    key = signing_key("k", "RS256")
    reader = reader_of(Issuer([key]).key_set(), ("PS256", "RS256"))
    with pytest.raises(TokenInvalidError, match="not for its algorithm"):
        reader.read(Issuer([SigningKey("k", "PS256", key.private)]).token())


def test_a_token_without_a_key_id_takes_the_only_key_of_its_algorithm() -> None:
    one = Issuer([signing_key("k-1"), signing_key("k-2", "RS256")])
    assert (
        reader_of(one.key_set()).read(signed(one.keys[0], {"alg": "ES256"}, _claims())).identity
        == "token:core"
    )
    two = Issuer([signing_key("k-1"), signing_key("k-2")])
    with pytest.raises(TokenInvalidError, match="names no key"):
        reader_of(two.key_set()).read(signed(two.keys[0], {"alg": "ES256"}, _claims()))


def _claims() -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "core", "exp": time.time() + 60}


def test_the_signature_of_another_key_of_the_same_id_is_refused(issuer: Issuer, reader: TokenReader) -> None:
    with pytest.raises(TokenInvalidError, match="not signed by the key"):
        reader.read(issuer.token(key=signing_key("k-1")))


def test_a_short_rsa_key_is_left_out() -> None:
    weak = SigningKey("weak", "RS256", rsa.generate_private_key(65_537, 1024))  # noqa: S505
    reader = reader_of(Issuer([signing_key("k-1"), weak]).key_set())
    with pytest.warns(jwt.InsecureKeyLengthWarning), pytest.raises(KeyUnknownError):
        reader.read(Issuer([weak]).token())


def test_a_token_bound_to_a_certificate_says_so(issuer: Issuer, reader: TokenReader) -> None:
    assert reader.read(issuer.token(cnf={"x5t#S256": "abc"})).bound_to == "abc"


def test_claims_of_another_form_than_an_object_are_refused(issuer: Issuer, reader: TokenReader) -> None:
    for claims in ([], "text", 7, None, b"\xff", b"{", b"[" * 3000):
        with pytest.raises(TokenInvalidError):
            reader.read(signed(issuer.keys[0], {"alg": "ES256", "kid": "k-1"}, claims))


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "a.b.c.d.e", "é.b.c", " a.b.c", "a" * 9000, "a.b.c\n"],
)
def test_what_is_no_token_is_refused(reader: TokenReader, token: str) -> None:
    with pytest.raises(TokenInvalidError):
        reader.read(token)


def test_a_token_that_is_too_long_is_not_looked_at(issuer: Issuer, reader: TokenReader) -> None:
    long = issuer.token(more="x" * MAX_TOKEN_CHARACTERS)
    with pytest.raises(TokenInvalidError, match="no JWT"):
        reader.read(long)


def test_before_the_keys_have_come_a_token_has_to_wait() -> None:
    keys = Keys(FakeKeySource(), _DEFAULT, refresh_s=300, unknown_s=60, reloaded=lambda _, __: None)
    reader = TokenReader(keys, issuer=ISSUER, audience=AUDIENCE, algorithms=_DEFAULT, leeway_s=0.0)
    with pytest.raises(KeyPendingError):
        reader.read(Issuer().token())


def test_nothing_of_a_token_is_in_what_is_told_of_it(issuer: Issuer, reader: TokenReader) -> None:
    token = issuer.token("secret-subject", secret_claim="secret-value", lasts_s=-1000)
    with pytest.raises(TokenExpiredError) as caught:
        reader.read(token)
    assert "secret" not in str(caught.value)
    with pytest.raises(TokenInvalidError) as invalid:
        reader.read(token[:-4] + "AAAA")
    assert "secret" not in str(invalid.value)
    assert token[:20] not in str(invalid.value)
