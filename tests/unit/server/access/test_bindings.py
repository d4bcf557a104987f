from __future__ import annotations

import pytest

from server.access.bindings import Bindings, BindingsError, read_bindings
from server.access.roles import RULES, Role

_SCORE = "/kuntur.api.v1.ScoringService/ScoreTransaction"
_LIST = "/kuntur.api.v1.ModelService/ListModels"


def read(text: str) -> Bindings:
    return read_bindings(text.encode())


def bound(*identities: str, more: str = "") -> str:
    named = ", ".join(f'"{identity}"' for identity in identities)
    return f'[[binding]]\nidentities = [{named}]\nroles = ["score"]\ninstitutions = ["*"]\n{more}\n'


def faults(text: str) -> str:
    with pytest.raises(BindingsError) as caught:
        read(text)
    return str(caught.value)


def test_a_binding_gives_roles_institutions_and_limits() -> None:
    binding = read(
        """
        [[binding]]
        identities = ["token:core", "dn:CN=core,O=Banco Andino", "spiffe://andino.pe/core"]
        roles = ["score", "report_outcomes"]
        institutions = ["banco-andino", "caja-sur"]
        max_calls = 64
        max_streams = 4
        """
    ).of("dn:CN=core,O=Banco Andino")
    assert binding is not None
    assert binding.roles == {Role.SCORE, Role.REPORT_OUTCOMES}
    assert _SCORE in binding.methods
    assert _LIST not in binding.methods
    assert binding.institutions is not None
    assert ("banco-andino" in binding.institutions, "bcp" in binding.institutions) == (True, False)
    assert "" not in binding.institutions
    assert (binding.max_calls, binding.max_streams) == (64, 4)


def test_a_star_stands_for_every_institution() -> None:
    binding = read(bound("token:core")).of("token:core")
    assert binding is not None
    assert binding.institutions is None


def test_whoever_is_bound_to_anything_may_ask_for_health() -> None:
    binding = read('[[binding]]\nidentities = ["token:desk"]\nroles = ["audit"]\n').of("token:desk")
    assert binding is not None
    assert binding.methods == {name for name, rule in RULES.items() if rule.role is None}


@pytest.mark.parametrize(
    ("pattern", "identity", "matches"),
    [
        ("spiffe://a.pe/core/*", "spiffe://a.pe/core/1", True),
        ("spiffe://a.pe/core/*", "spiffe://a.pe/core", False),
        ("spiffe://a.pe/core/*", "spiffe://a.pe/core/1/2", False),
        ("spiffe://a.pe/core/*", "spiffe://a.pe/desk/1", False),
        ("spiffe://a.pe/core/*", "spiffe://axpe/core/1", False),
        ("spiffe://a.pe/core/*", "token:spiffe://a.pe/core/1", False),
        ("spiffe://a.pe/*/score", "spiffe://a.pe/core/score", True),
        ("spiffe://a.pe/*/score", "spiffe://a.pe/core/x/score", False),
        ("spiffe://a.pe/core/**", "spiffe://a.pe/core/1/2", True),
        ("spiffe://a.pe/core/**", "spiffe://a.pe/core", False),
        ("spiffe://a.pe/**", "spiffe://b.pe/core", False),
        ("spiffe://a.pe/core", "spiffe://a.pe/core/1", False),
        ("token:*", "token:core", False),
        ("token:*", "token:*", True),
        ("dn:CN=*", "dn:CN=core", False),
    ],
)
def test_patterns_are_of_spiffe_ids_alone_and_stop_at_segments(
    pattern: str, identity: str, matches: bool
) -> None:
    assert (read(bound(pattern)).of(identity) is not None) == matches


def test_a_name_in_full_goes_before_patterns_and_those_in_their_order() -> None:
    bindings = read(
        bound("spiffe://a.pe/core/*", more="max_calls = 1")
        + bound("spiffe://a.pe/**", more="max_calls = 2")
        + bound("spiffe://a.pe/core/1", more="max_calls = 3")
    )
    found = [bindings.of(f"spiffe://a.pe/{path}") for path in ("core/1", "core/2", "desk")]
    assert [binding.max_calls for binding in found if binding] == [3, 1, 2]


def test_rights_of_several_bindings_never_add_up() -> None:
    bindings = read(
        bound("spiffe://a.pe/core/*")
        + '[[binding]]\nidentities = ["spiffe://a.pe/**"]\nroles = ["read_models"]\n'
    )
    binding = bindings.of("spiffe://a.pe/core/1")
    assert binding is not None
    assert _LIST not in binding.methods


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (bound("core"), "'core' should begin with one of spiffe://, dn:, token:"),
        (bound("token:"), "names nobody"),
        (bound("spiffe://a.pe"), "is no SPIFFE ID"),
        (bound("spiffe://*/core"), "is no SPIFFE ID"),
        (bound("spiffe://a.pe/core-*"), "is no SPIFFE ID"),
        (bound("spiffe://a.pe/**/core"), "is no SPIFFE ID"),
        (bound("spiffe://a.pe/../core"), "is no SPIFFE ID"),
        (bound("token:core") + bound("token:core"), "'token:core' is bound twice"),
        (bound("spiffe://a.pe/*", "spiffe://a.pe/*"), "is bound twice"),
        (bound("token:core").replace('"score"', '"scores"'), "binding.0.roles.0: Input should be 'score'"),
        (bound("token:core").replace('"score"', ""), "binding.0.roles"),
        (bound(), "binding.0.identities"),
        (
            bound("token:core").replace('["*"]', "[]"),
            'the role score acts for institutions: name them, or ["*"]',
        ),
        (bound("token:core").replace('["*"]', '["*", "a"]'), '"*" is every one already'),
        (bound("token:core").replace('["*"]', '["a*"]'), "are named in full"),
        (bound("token:core").replace('"score"', '"audit"'), "none of the roles acts for institutions"),
        (bound("token:core", more="max_call = 1"), "binding.0.max_call: Extra inputs are not permitted"),
        (bound("token:core", more="max_calls = 0"), "binding.0.max_calls"),
        ("[[bindings]]", "bindings: Extra inputs are not permitted"),
        ("binding = [", "is not valid TOML"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_place(text: str, fault: str) -> None:
    assert fault in faults(text)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(BindingsError, match="not UTF-8"):
        read_bindings(b"\xff\xfe")


def test_all_faults_are_told_at_once() -> None:
    text = bound("token:a").replace('["*"]', "[]") + bound("token:b").replace('["*"]', '["b*"]')
    assert [line.split(":")[0] for line in faults(text).splitlines()] == [
        "binding.0.institutions",
        "binding.1.institutions",
    ]


def test_an_empty_file_binds_nobody() -> None:
    assert len(read("")) == 0
