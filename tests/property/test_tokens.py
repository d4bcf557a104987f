"""Tokens that somebody changed or made up never pass, and never raise anything but a refusal."""

from __future__ import annotations

import base64
import json
import math
from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from server.access.tokens.reader import TokenReader
from server.errors import AccessDeniedError
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, reader_of, signing_key

_ALGORITHMS = ("ES256", "EdDSA", "RS256")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@cache
def _issuer() -> Issuer:
    return Issuer([signing_key("k-1"), signing_key("k-2", "EdDSA"), signing_key("k-3", "RS256")])


@cache
def _reader() -> TokenReader:
    return reader_of(_issuer(), _ALGORITHMS, unknown_s=3600)


@cache
def _good(number: int) -> str:
    return _issuer().token(key=_issuer().keys[number], lasts_s=1e6)


def refused(token: str) -> None:
    with pytest.raises(AccessDeniedError):
        _reader().read(token)


def test_the_tokens_that_are_changed_here_are_good() -> None:
    for number in range(3):
        assert _reader().read(_good(number)).identity == "token:core"


@given(st.integers(0, 2), st.integers(0), st.sampled_from(_ALPHABET + ".=+/ \n\0é"))
def test_a_character_that_was_replaced_spoils_a_token(number: int, place: int, character: str) -> None:
    good = _good(number)
    place %= len(good)
    assume(good[place] != character)
    refused(good[:place] + character + good[place + 1 :])


@given(st.integers(0, 2), st.integers(0), st.integers(1, 40))
def test_a_piece_that_was_cut_out_spoils_a_token(number: int, place: int, length: int) -> None:
    good = _good(number)
    place %= len(good)
    refused(good[:place] + good[place + length :])


@given(st.integers(0, 2), st.integers(0), st.text(_ALPHABET + ".", min_size=1, max_size=20))
def test_a_piece_that_was_put_in_spoils_a_token(number: int, place: int, piece: str) -> None:
    good = _good(number)
    place %= len(good) + 1
    refused(good[:place] + piece + good[place:])


@given(st.permutations([0, 1, 2]), st.permutations([0, 1, 2]))
def test_parts_of_different_tokens_make_none(first: list[int], second: list[int]) -> None:
    assume(first[:3] != second[:3])
    parts = [_good(number).split(".") for number in range(3)]
    for mixed in ((first[0], second[1], first[2]), (first[0], first[1], second[2])):
        if len(set(mixed)) > 1:
            refused(".".join(parts[number][at] for at, number in enumerate(mixed)))


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "zip", "enc", "cty"])
_CLAIMS = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "cnf", "jti"])


def _part(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.dictionaries(_NAMES, _JSON) | _JSON, st.binary(max_size=80) | _JSON, st.binary(max_size=80))
def test_a_token_that_somebody_made_up_is_refused(header: Any, claims: Any, signature: bytes) -> None:
    if isinstance(header, dict):
        header = {"alg": "ES256", "kid": "k-1"} | header
    refused(f"{_part(header)}.{_part(claims)}.{_part(signature)}")


@given(st.dictionaries(_NAMES, _JSON, max_size=3), st.dictionaries(_CLAIMS, _JSON, min_size=1, max_size=3))
def test_whatever_an_issuer_signs_is_read_or_refused(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """The signature is good here: what is odd is behind it."""
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "core", "exp": 4e9} | claims
    text = f"{_part({'alg': 'ES256', 'kid': 'k-1'} | header)}.{_part(said)}"
    signature = get_default_algorithms()["ES256"].sign(text.encode(), _issuer().keys[0].private)
    try:
        token = _reader().read(f"{text}.{_part(signature)}")
    except AccessDeniedError:
        return
    assert token.identity == f"token:{said['sub']}"
    assert said["iss"] == ISSUER
    assert said["aud"] == AUDIENCE or AUDIENCE in said["aud"]
    assert math.isfinite(token.expires)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_text_that_is_no_token_is_refused(text: str) -> None:
    refused(text)
