from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from server.errors import TlsError
from server.tls.material import Material, TlsFiles, checked, read, readable_by_others
from tests.support.certificates import CLIENT, Authority, Pair


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def of(folder: Path, pair: Pair, client_ca: bytes | None = None) -> Material:
    """Reads a pair from files."""
    certificate, key = pair.write(folder, "server")
    path = None
    if client_ca is not None:
        path = folder / "ca.pem"
        path.write_bytes(client_ca)
    files = TlsFiles(certificate, key, path)
    return checked(files, read(files))


def test_a_sound_pair_tells_when_it_expires(authority: Authority, tmp_path: Path) -> None:
    material = of(tmp_path, authority.server(), authority.certificate)
    assert material.client_ca_expires is not None
    assert material.expires < material.client_ca_expires
    assert len(material.serial) > 8


def test_the_first_certificate_of_the_chain_that_expires_counts(authority: Authority, tmp_path: Path) -> None:
    pair = authority.server(valid=timedelta(days=500))
    chained = Pair(pair.certificate + authority.certificate, pair.key)
    assert of(tmp_path, chained).expires < of(tmp_path, pair).expires


REFUSED: dict[str, tuple[Callable[[Authority], Pair], str]] = {
    "no certificate": (lambda ca: Pair(b"nothing", ca.server().key), "server.pem: holds no certificate"),
    "a broken one": (
        lambda ca: Pair(b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", ca.server().key),
        "server.pem: holds no certificate",
    ),
    "no key": (lambda ca: Pair(ca.server().certificate, b"nothing"), "server.key: holds no private key"),
    "another key": (
        lambda ca: Pair(ca.server().certificate, ca.server().key),
        "server.key: is not the key of the first certificate in .*server.pem",
    ),
    "the chain the wrong way round": (
        lambda ca: Pair(ca.certificate + (pair := ca.server()).certificate, pair.key),
        "is not the key of the first certificate",
    ),
    "an encrypted key": (lambda ca: ca.server(password=b"secret"), "server.key: the key is encrypted"),
    "an expired one": (lambda ca: ca.server(valid=timedelta(days=-1)), "server.pem: the certificate expired"),
    "one of tomorrow": (lambda ca: ca.server(begins=timedelta(days=1)), "valid only from"),
    "one for clients": (lambda ca: ca.server(usage=CLIENT), "server.pem: the certificate is not for servers"),
    "Ed25519": (
        lambda ca: ca.server(key=ed25519.Ed25519PrivateKey.generate()),
        "server.key: is neither RSA nor ECDSA",
    ),
    "P-521": (lambda ca: ca.server(key=ec.generate_private_key(ec.SECP521R1())), "is neither RSA nor ECDSA"),
    "short RSA": (
        lambda ca: ca.server(
            key=rsa.generate_private_key(65_537, 1024)  # noqa: S505  # it is to be refused
        ),
        "server.key: has 1024 bits",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_client_could_speak_to_is_refused_with_its_file(
    authority: Authority, tmp_path: Path, what: str
) -> None:
    make, why = REFUSED[what]
    with pytest.raises(TlsError, match=why):
        of(tmp_path, make(authority))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
def test_curves_that_clients_verify_are_taken(
    authority: Authority, tmp_path: Path, curve: ec.EllipticCurve
) -> None:
    assert of(tmp_path, authority.server(key=ec.generate_private_key(curve)))


def test_rsa_of_2048_bits_is_taken(authority: Authority, tmp_path: Path) -> None:
    assert of(tmp_path, authority.server(key=rsa.generate_private_key(65_537, 2048)))


def test_a_certificate_without_a_stated_use_is_taken(authority: Authority, tmp_path: Path) -> None:
    assert of(tmp_path, authority.server(usage=None))


def test_authorities_that_are_none_are_refused(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"ca\.pem: holds no certificate"):
        of(tmp_path, authority.server(), b"")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"gone\.pem: cannot be read: No such file"):
        read(TlsFiles(tmp_path / "gone.pem", tmp_path / "gone.key"))


def test_a_device_or_a_giant_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="is not a regular file"):
        read(TlsFiles(Path("/dev/zero"), Path("/dev/zero")))
    giant = tmp_path / "giant.pem"
    with giant.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(TlsError, match=r"giant\.pem: has 1,073,741,824 bytes"):
        read(TlsFiles(giant, giant))


def test_no_message_and_no_text_of_a_value_holds_the_key(authority: Authority, tmp_path: Path) -> None:
    pair = authority.server()
    material = of(tmp_path, pair, authority.certificate)
    secret = pair.key.decode().splitlines()[1]
    assert secret not in repr(material)
    broken = pair.key.replace(b"PRIVATE KEY-----\n", b"PRIVATE KEY-----\n!", 1)
    with pytest.raises(TlsError) as caught:
        of(tmp_path, Pair(pair.certificate, broken))
    assert secret not in str(caught.value)
    assert secret not in str(caught.value.__cause__)


def test_a_key_that_others_may_read_is_seen(authority: Authority, tmp_path: Path) -> None:
    _, key = authority.server().write(tmp_path, "server")
    assert not readable_by_others(key)
    key.chmod(0o640)
    assert not readable_by_others(key)
    key.chmod(0o644)
    assert readable_by_others(key)
