from __future__ import annotations

import time

import pytest

from server.access.bindings import read_bindings
from server.access.checks import CHECKS_AT_ONCE, CheckBudget
from server.access.guard import Guard
from server.access.identity import thumbprint_of
from server.access.known import Known
from server.access.tokens.keys import Keys
from server.access.tokens.reader import TokenReader
from server.errors import (
    CertificateInvalidError,
    CredentialsMissingError,
    IdentityUnknownError,
    OverloadedError,
    RoleMissingError,
    TokenExpiredError,
    TokenInvalidError,
)
from tests.fakes.key_source import FakeKeySource
from tests.support.identities import Authority
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, bearer, signing_key

SCORE = "/kuntur.api.v1.ScoringService/ScoreTransaction"
MODELS = "/kuntur.api.v1.ModelService/ListModels"
CHECK = "/grpc.health.v1.Health/Check"
_BINDINGS = """
[[binding]]
identities = ["token:core", "spiffe://andino.pe/core", "dn:CN=core"]
roles = ["score"]
institutions = ["banco-andino"]
"""


def no_certificate() -> None:
    return None


class Watched:
    """A guard over an issuer, and what it was asked."""

    def __init__(self, issuer: Issuer | None = None, *, checks_per_s: float = 1e6) -> None:
        self.issuer = issuer or Issuer()
        self.now = time.time()
        self.source = FakeKeySource(self.issuer.key_set())
        self.keys = Keys(self.source, ("ES256",), refresh_s=300, unknown_s=60, reloaded=lambda _, __: None)
        self.keys.look()
        self.checked = 0
        reader = TokenReader(self.keys, issuer=ISSUER, audience=AUDIENCE, algorithms=["ES256"], leeway_s=0.0)
        self.guard = Guard(
            read_bindings(_BINDINGS.encode()),
            reader,
            opened=[CHECK],
            checks_per_s=checks_per_s,
            checked=self._count,
            clock=lambda: self.now,
        )

    def _count(self) -> None:
        self.checked += 1


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def test_a_token_is_checked_once_and_then_known(watched: Watched) -> None:
    authorization = bearer(watched.issuer.token())
    callers = [watched.guard.admit(SCORE, no_certificate, authorization) for _ in range(5)]
    assert watched.checked == 1
    assert len(set(map(id, callers))) == 1
    assert callers[0].identity == "token:core"
    assert (callers[0].may_act_for("banco-andino"), callers[0].may_act_for("bcp")) == (True, False)


def test_a_known_token_ends_when_it_expires(watched: Watched) -> None:
    authorization = bearer(watched.issuer.token(lasts_s=100))
    watched.guard.admit(SCORE, no_certificate, authorization)
    watched.now += 101
    for _ in range(2):
        with pytest.raises(TokenExpiredError):
            watched.guard.admit(SCORE, no_certificate, authorization)


def test_a_known_token_gives_no_other_role(watched: Watched) -> None:
    authorization = bearer(watched.issuer.token())
    watched.guard.admit(SCORE, no_certificate, authorization)
    with pytest.raises(RoleMissingError) as caught:
        watched.guard.admit(MODELS, no_certificate, authorization)
    assert (caught.value.identity, caught.value.role) == ("token:core", "read_models")


def test_a_method_that_the_table_lacks_is_nobodys(watched: Watched) -> None:
    with pytest.raises(RoleMissingError):
        watched.guard.admit("/kuntur.api.v1.New/Method", no_certificate, bearer(watched.issuer.token()))
    with pytest.raises(CredentialsMissingError):
        watched.guard.admit("/kuntur.api.v1.New/Method", no_certificate, None)


def test_who_is_bound_to_nothing_is_told_so_with_a_name(watched: Watched) -> None:
    with pytest.raises(IdentityUnknownError) as caught:
        watched.guard.admit(SCORE, no_certificate, bearer(watched.issuer.token("stranger")))
    assert caught.value.identity == "token:stranger"


def test_opened_methods_ask_for_nothing_and_give_nothing_else(watched: Watched) -> None:
    for authorization in (None, "nonsense", bearer("a.b.c")):
        caller = watched.guard.admit(CHECK, no_certificate, authorization)
        assert caller.identity == ""
        assert caller.methods == {CHECK}


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic dTpw", "token", "Bearer ", "bearer  a.b.c"])
def test_another_scheme_is_refused(watched: Watched, authorization: str) -> None:
    with pytest.raises(TokenInvalidError):
        watched.guard.admit(SCORE, no_certificate, authorization)


def test_the_scheme_may_be_written_as_one_likes(watched: Watched) -> None:
    token = watched.issuer.token()
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert watched.guard.admit(SCORE, no_certificate, f"{scheme} {token}").identity == "token:core"


def test_new_bindings_count_for_tokens_that_are_known(watched: Watched) -> None:
    authorization = bearer(watched.issuer.token())
    before = watched.guard.admit(SCORE, no_certificate, authorization)
    watched.guard.bindings = read_bindings(_BINDINGS.replace('"score"', '"backfill"').encode())
    for _ in range(2):
        with pytest.raises(RoleMissingError):
            watched.guard.admit(SCORE, no_certificate, authorization)
    with pytest.raises(RoleMissingError):
        watched.guard.renewed(before, SCORE)
    watched.guard.bindings = read_bindings(b"")
    with pytest.raises(IdentityUnknownError):
        watched.guard.admit(SCORE, no_certificate, authorization)
    with pytest.raises(IdentityUnknownError):
        watched.guard.renewed(before, SCORE)
    watched.guard.bindings = read_bindings(_BINDINGS.replace("banco-andino", "bcp").encode())
    for caller in (
        watched.guard.admit(SCORE, no_certificate, authorization),
        watched.guard.renewed(before, SCORE),
    ):
        assert (caller.may_act_for("banco-andino"), caller.may_act_for("bcp")) == (False, True)
        assert caller.expires == before.expires
    assert watched.checked == 1


def test_a_key_that_is_withdrawn_takes_its_tokens_with_it_and_no_others() -> None:
    watched = Watched(Issuer([signing_key("k-1"), signing_key("k-2")]))
    first, second = watched.issuer.keys
    tokens = [bearer(watched.issuer.token(key=key)) for key in (first, second)]
    for token in tokens:
        watched.guard.admit(SCORE, no_certificate, token)
    watched.issuer.keys.remove(first)
    watched.source.raw = watched.issuer.key_set()
    watched.keys.look()
    assert watched.guard.admit(SCORE, no_certificate, tokens[1]).identity == "token:core"
    assert watched.checked == 2, "a token whose key is still there is not checked again"
    with pytest.raises(Exception, match="has not published"):
        watched.guard.admit(SCORE, no_certificate, tokens[0])


def test_a_bad_token_is_checked_once_and_refused_each_time(watched: Watched) -> None:
    bad = bearer(watched.issuer.token(key=signing_key("k-1")))
    for _ in range(3):
        with pytest.raises(TokenInvalidError, match="not signed by the key"):
            watched.guard.admit(SCORE, no_certificate, bad)
    assert watched.checked == 1


def test_a_bad_token_is_looked_at_again_when_the_keys_have_changed(watched: Watched) -> None:
    new = signing_key("k-1")
    authorization = bearer(watched.issuer.token(key=new))
    with pytest.raises(TokenInvalidError):
        watched.guard.admit(SCORE, no_certificate, authorization)
    watched.source.raw = Issuer([new]).key_set()
    watched.keys.look()
    assert watched.guard.admit(SCORE, no_certificate, authorization).identity == "token:core"


def test_a_flood_of_new_tokens_is_put_off_and_known_ones_go_on() -> None:
    watched = Watched(checks_per_s=1e-9)
    known = bearer(watched.issuer.token())
    watched.guard.admit(SCORE, no_certificate, known)
    for number in range(CHECKS_AT_ONCE - 1):
        with pytest.raises(TokenInvalidError):
            watched.guard.admit(SCORE, no_certificate, bearer(f"a.b.{number}"))
    with pytest.raises(OverloadedError):
        watched.guard.admit(SCORE, no_certificate, bearer("a.b.c"))
    assert watched.guard.admit(SCORE, no_certificate, known).identity == "token:core"


def test_a_budget_of_checks_comes_back_with_time() -> None:
    now = 0.0
    budget = CheckBudget(10, lambda: now)
    assert [budget.take() for _ in range(CHECKS_AT_ONCE + 1)] == [True] * CHECKS_AT_ONCE + [False]
    now = 0.2
    assert [budget.take() for _ in range(3)] == [True, True, False]


def test_a_certificate_names_the_caller_where_there_is_no_token(
    watched: Watched, authority: Authority
) -> None:
    pem = authority.signed(uris=["spiffe://andino.pe/core"]).certificate
    callers = [watched.guard.admit(SCORE, lambda: pem, None) for _ in range(3)]
    assert {caller.identity for caller in callers} == {"spiffe://andino.pe/core"}
    assert len(set(map(id, callers))) == 1


def test_a_bad_token_is_refused_whatever_the_certificate_says(watched: Watched, authority: Authority) -> None:
    pem = authority.signed(uris=["spiffe://andino.pe/core"]).certificate
    with pytest.raises(TokenInvalidError):
        watched.guard.admit(SCORE, lambda: pem, bearer("a.b.c"))


def test_new_bindings_count_for_certificates_too(watched: Watched, authority: Authority) -> None:
    pem = authority.signed(uris=["spiffe://andino.pe/core"]).certificate
    watched.guard.admit(SCORE, lambda: pem, None)
    watched.guard.bindings = read_bindings(b"")
    with pytest.raises(IdentityUnknownError):
        watched.guard.admit(SCORE, lambda: pem, None)


def test_whoever_shows_nothing_or_a_nameless_certificate_is_refused(
    watched: Watched, authority: Authority
) -> None:
    for shown in (no_certificate, lambda: b""):
        with pytest.raises(CredentialsMissingError):
            watched.guard.admit(SCORE, shown, None)
    nameless = authority.signed(hosts=["core"]).certificate
    with pytest.raises(CertificateInvalidError):
        watched.guard.admit(SCORE, lambda: nameless, None)


def test_a_header_that_reads_like_what_is_known_of_a_certificate_opens_nothing(
    watched: Watched, authority: Authority
) -> None:
    pem = authority.signed(uris=["spiffe://andino.pe/core"]).certificate
    watched.guard.admit(SCORE, lambda: pem, None)
    for header in ("spiffe://andino.pe/core", pem.decode(), "dn:CN=core", "token:core"):
        with pytest.raises(TokenInvalidError):
            watched.guard.admit(SCORE, no_certificate, header)


def test_a_bound_token_is_worth_nothing_without_its_certificate(
    watched: Watched, authority: Authority
) -> None:
    own = authority.signed(uris=["spiffe://andino.pe/core"]).certificate
    others = authority.signed(uris=["spiffe://andino.pe/core"]).certificate
    token = bearer(watched.issuer.token(cnf={"x5t#S256": thumbprint_of(own)}))
    for _ in range(2):
        for shown in (no_certificate, lambda: others):
            with pytest.raises(TokenInvalidError, match="another certificate"):
                watched.guard.admit(SCORE, shown, token)
        assert watched.guard.admit(SCORE, lambda: own, token).identity == "token:core"


def test_a_server_without_an_issuer_takes_no_token() -> None:
    guard = Guard(read_bindings(_BINDINGS.encode()), None)
    with pytest.raises(TokenInvalidError, match="takes no tokens"):
        guard.admit(SCORE, no_certificate, bearer(Issuer().token()))


def test_what_is_known_is_bounded_and_what_is_over_goes_first() -> None:
    over: set[int] = set()
    known: Known[int] = Known(3, over=over.__contains__)
    for number in range(3):
        known.keep(str(number), number)
    over.add(1)
    known.keep("3", 3)
    assert [known.find(str(number)) for number in range(4)] == [0, None, 2, 3]
    known.keep("4", 4)
    assert [known.find(str(number)) for number in range(5)] == [None, None, 2, 3, 4]
    assert len(known) == 3


def test_no_more_than_a_few_tokens_are_kept_as_they_came(watched: Watched) -> None:
    tokens = [bearer(watched.issuer.token(number=number)) for number in range(300)]
    for token in tokens:
        watched.guard.admit(SCORE, no_certificate, token)
    assert 0 < len(watched.guard._ready) <= 256
    assert watched.guard.recall(SCORE, tokens[0]) is None
    watched.guard.admit(SCORE, no_certificate, tokens[0])
    assert watched.guard.recall(SCORE, tokens[0]) is not None
    assert watched.checked == 300


def test_what_is_recalled_is_only_what_would_be_admitted(watched: Watched) -> None:
    token = bearer(watched.issuer.token(lasts_s=100))
    assert watched.guard.recall(SCORE, token) is None
    caller = watched.guard.admit(SCORE, no_certificate, token)
    assert watched.guard.recall(SCORE, token) is caller
    assert watched.guard.recall(MODELS, token) is None
    assert watched.guard.recall(SCORE, None) is None
    watched.now += 101
    assert watched.guard.recall(SCORE, token) is None
    watched.now -= 101
    watched.guard.bindings = read_bindings(_BINDINGS.encode())
    assert watched.guard.recall(SCORE, token) is None
    watched.guard.admit(SCORE, no_certificate, token)
    watched.source.raw = Issuer([*watched.issuer.keys, signing_key("k-2")]).key_set()
    watched.keys.look()
    assert watched.guard.recall(SCORE, token) is None
