from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.access.tokens.key_set import KeySetError, read_key_set
from server.access.tokens.key_sources import KeyAddress, KeyFile
from server.access.tokens.keys import Keys
from server.errors import KeyPendingError, KeyUnknownError, TokenInvalidError
from tests.fakes.key_source import FakeKeySource
from tests.support.identities import Authority
from tests.support.issuer import Issuer, signing_key
from tests.support.serving import wait_until
from tests.support.web import web_server

_ALGORITHMS = ("ES256", "RS256")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def keys_of(source: FakeKeySource, clock: Clock, told: list[tuple[str, bool]] | None = None) -> Keys:
    return Keys(
        source,
        _ALGORITHMS,
        refresh_s=300,
        unknown_s=60,
        reloaded=lambda *what: None if told is None else told.append(what),
        clock=clock,
    )


def test_an_unknown_key_has_the_source_asked_once_a_bound() -> None:
    issuer, clock = Issuer(), Clock()
    source = FakeKeySource(issuer.key_set())
    keys = keys_of(source, clock)
    keys.look()
    issuer.keys.append(signing_key("k-2"))
    source.raw = issuer.key_set()
    with pytest.raises(KeyUnknownError):
        keys.find("k-2", "ES256")  # the source was asked just now
    clock.now += 61
    for _ in range(3):
        with pytest.raises(KeyPendingError):
            keys.find("k-2", "ES256")
    assert source.asked == 1, "whoever asks for a key does not fetch it"
    keys.look()
    assert keys.find("k-2", "ES256") is not None
    with pytest.raises(KeyUnknownError):
        keys.find("k-3", "ES256")
    clock.now += 61
    with pytest.raises(KeyPendingError):
        keys.find("k-3", "ES256")


def test_a_flood_of_unknown_keys_costs_the_issuer_one_fetch() -> None:
    source = FakeKeySource(Issuer().key_set())
    keys = Keys(source, _ALGORITHMS, refresh_s=3600, unknown_s=3600, reloaded=lambda _, __: None)
    keys.start()
    try:
        wait_until(lambda: keys.current is not None)
        for number in range(1000):
            with pytest.raises((KeyUnknownError, KeyPendingError)):
                keys.find(f"k-{number}-unknown", "ES256")
        assert source.asked == 1
    finally:
        keys.stop()


def test_a_fetch_that_is_wanted_happens_on_the_thread_of_the_keys() -> None:
    issuer, clock = Issuer(), Clock()
    source = FakeKeySource(issuer.key_set())
    keys = keys_of(source, clock)
    keys.start()
    try:
        wait_until(lambda: keys.current is not None)
        issuer.keys.append(signing_key("k-2"))
        source.raw = issuer.key_set()

        def found() -> bool:
            clock.now += 61
            try:
                keys.find("k-2", "ES256")
            except KeyPendingError:
                return False
            return True

        wait_until(found)
    finally:
        keys.stop()


def test_a_source_that_fails_keeps_the_keys_from_before() -> None:
    issuer, told = Issuer(), list[tuple[str, bool]]()
    source = FakeKeySource(issuer.key_set())
    keys = keys_of(source, Clock(), told)
    keys.look()
    for raw in (None, b"no keys", b"[]", b'{"keys": 7}', b'{"keys": []}', b"[" * 100_000):
        source.raw = raw
        keys.look()
    assert keys.find("k-1", "ES256") is not None
    assert told == [("keys", True)] + [("keys", False)] * 6


def test_until_the_first_keys_have_come_callers_are_told_to_come_again() -> None:
    keys = keys_of(FakeKeySource(), Clock())
    for _ in range(2):
        with pytest.raises(KeyPendingError):
            keys.find("k-1", "ES256")
        keys.look()


def test_a_key_that_stays_is_the_same_object_and_one_that_goes_is_gone() -> None:
    issuer = Issuer([signing_key("k-1"), signing_key("k-2")])
    before = read_key_set(issuer.key_set(), _ALGORITHMS)
    after = read_key_set(Issuer(issuer.keys[1:]).key_set(), _ALGORITHMS, before)
    kept, gone = before.find("k-2", "ES256"), before.find("k-1", "ES256")
    assert after.find("k-2", "ES256") is kept
    assert kept in after
    assert gone not in after


def test_another_key_under_the_same_id_is_another_object() -> None:
    before = read_key_set(Issuer([signing_key("k-1")]).key_set(), _ALGORITHMS)
    after = read_key_set(Issuer([signing_key("k-1")]).key_set(), _ALGORITHMS, before)
    assert before.find("k-1", "ES256") not in after


@pytest.mark.parametrize(
    "changes",
    [{"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": "verify"}, {"d": "AA"}, {"kty": "oct"}, {"kty": None},
     {"x": "AA"}, {"crv": "P-384"}, {"alg": "ES384"}, {"alg": "HS256"}, {"alg": 7}],
)  # fmt: skip
def test_a_key_that_is_not_for_these_signatures_is_left_out(changes: dict[str, object]) -> None:
    raw = json.dumps({"keys": [signing_key("k-1").public(**changes), signing_key("k-2").public()]})
    found = read_key_set(raw.encode(), _ALGORITHMS)
    assert (found.knows("k-1"), found.knows("k-2")) == (False, True)


def test_two_keys_of_one_id_are_no_set() -> None:
    with pytest.raises(KeySetError, match="the same id"):
        read_key_set(Issuer([signing_key("k-1"), signing_key("k-1")]).key_set(), _ALGORITHMS)


def test_a_key_for_no_algorithm_of_a_token_is_told_apart_from_an_unknown_one() -> None:
    keys = keys_of(FakeKeySource(Issuer().key_set()), Clock())
    keys.look()
    with pytest.raises(TokenInvalidError):
        keys.find("k-1", "RS256")


def test_a_file_is_read_again_when_it_is_another(tmp_path: Path) -> None:
    issuer, path = Issuer(), tmp_path / "keys.json"
    source = KeyFile(issuer.publish(path))
    assert source.read() == issuer.key_set()
    assert source.read() is None
    issuer.keys.append(signing_key("k-2"))
    issuer.publish(path)
    assert source.read() == issuer.key_set()
    path.unlink()
    with pytest.raises(OSError, match="keys"):
        source.read()


def test_an_address_gives_its_bytes_and_is_not_followed_elsewhere() -> None:
    answers: dict[str, tuple[int, bytes, dict[str, str]]] = {
        "/keys": (200, b"keys", {}),
        "/moved": (302, b"", {"Location": "/keys"}),
        "/gone": (404, b"", {}),
        "/endless": (200, b"x" * ((1 << 20) + 1), {}),
        "/short": (200, b"x", {"Content-Length": "100"}),
    }
    with web_server(answers.__getitem__) as url:
        assert KeyAddress(f"{url}/keys").read() == b"keys"
        for path in ("moved", "gone", "endless", "short"):
            with pytest.raises(OSError, match=r".+"):
                KeyAddress(f"{url}/{path}").read()


def test_an_address_of_another_authority_gives_nothing(tmp_path: Path) -> None:
    own, other = Authority(), Authority()
    for name, authority in (("own", own), ("other", other)):
        (tmp_path / f"{name}.pem").write_bytes(authority.certificate)
    with web_server(
        lambda _: (200, b"keys", {}), tls=own.signed(hosts=["localhost"]), folder=tmp_path
    ) as url:
        assert KeyAddress(url, tmp_path / "own.pem").read() == b"keys"
        for ca_path in (tmp_path / "other.pem", None):
            with pytest.raises(OSError, match="certificate verify failed"):
                KeyAddress(url, ca_path).read()
        with pytest.raises(OSError, match="certificate verify failed"):
            KeyAddress(url.replace("localhost", "127.0.0.1"), tmp_path / "own.pem").read()


def test_an_address_where_nobody_is_cannot_be_read() -> None:
    with pytest.raises(OSError, match=r".+"):
        KeyAddress("http://127.0.0.1:1/keys").read()
