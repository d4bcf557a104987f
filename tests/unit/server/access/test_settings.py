from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from server.settings.access import ALGORITHMS, Access
from server.settings.listening import stays_here

_TOKENS = {"issuer": "https://issuer.example", "audience": "kuntur", "jwks_path": Path("keys.json")}
_REQUIRED: dict[str, Any] = {"mode": "required", "bindings_path": Path("bindings.toml")}


def test_by_default_nobody_is_asked() -> None:
    assert Access().mode == "open"


def test_no_algorithm_of_a_shared_secret_can_be_allowed() -> None:
    assert not any(name.startswith("HS") or name.lower() == "none" for name in ALGORITHMS)
    for name in ("HS256", "none", "None"):
        with pytest.raises(ValidationError):
            Access.model_validate({"algorithms": [name]})


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"bindings_path": Path("b.toml")}, "bindings_path is set and nobody is asked"),
        (_TOKENS, "issuer is set and nobody is asked"),
        ({"mode": "required"}, "needs bindings_path"),
        ({**_REQUIRED, "issuer": "https://issuer.example"}, "tokens need audience, jwks_path or jwks_url"),
        ({**_REQUIRED, **_TOKENS, "jwks_url": "https://i.example/k"}, "not both"),
        ({**_REQUIRED, **_TOKENS, "algorithms": []}, "names no algorithm"),
        ({"jwks_url": "http://issuer.example/keys"}, "should start with https://"),
        ({"jwks_url": "ftp://issuer.example/keys"}, "should start with https://"),
        ({"jwks_url": "https://user:secret@issuer.example/keys"}, "without a user or password"),
        ({"jwks_url": "file:///etc/keys"}, "should be https://HOST/PATH"),
        ({"jwks_url": "issuer.example/keys"}, "should be https://HOST/PATH"),
    ],
)
def test_settings_that_would_let_nobody_or_everybody_in_are_refused(
    given: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Access.model_validate(given)
    assert fault in str(caught.value)


def test_certificates_alone_or_tokens_are_enough() -> None:
    Access.model_validate(_REQUIRED)
    Access.model_validate({**_REQUIRED, **_TOKENS})
    url = {"jwks_path": None, "jwks_url": "http://127.0.0.1:8080/keys"}
    Access.model_validate({**_REQUIRED, **_TOKENS, **url})


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1:1", True),
        ("127.8.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("unix:/run/kuntur.sock", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("kuntur.example:1", False),
    ],
)
def test_an_address_tells_whether_it_leaves_the_machine(address: str, here: bool) -> None:
    assert stays_here(address) == here
