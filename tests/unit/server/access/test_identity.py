from __future__ import annotations

import pytest
from cryptography.x509.oid import NameOID

from server.access.identity import identity_of_certificate, identity_of_subject, is_spiffe_id, thumbprint_of
from server.errors import CertificateInvalidError
from tests.support.identities import Authority

CN, ORGANIZATION, COUNTRY = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.COUNTRY_NAME


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def test_the_spiffe_id_of_a_certificate_goes_before_its_subject(authority: Authority) -> None:
    pem = authority.signed(
        (CN, "core"), uris=["spiffe://andino.pe/core"], hosts=["core.andino.pe"]
    ).certificate
    assert identity_of_certificate(pem) == "spiffe://andino.pe/core"


def test_without_one_the_subject_names_the_caller_as_rfc_4514_writes_it(authority: Authority) -> None:
    pem = authority.signed((COUNTRY, "PE"), (ORGANIZATION, "Banco, Andino"), (CN, "core")).certificate
    assert identity_of_certificate(pem) == "dn:CN=core,O=Banco\\, Andino,C=PE"


def test_another_uri_alone_is_no_identity(authority: Authority) -> None:
    pem = authority.signed((CN, "core"), uris=["https://andino.pe/core"]).certificate
    assert identity_of_certificate(pem) == "dn:CN=core"


@pytest.mark.parametrize(
    "uris",
    [
        ["spiffe://andino.pe/core", "spiffe://andino.pe/other"],
        ["spiffe://andino.pe/core", "https://andino.pe"],
        ["https://andino.pe", "spiffe://andino.pe/core"],
        ["spiffe://andino.pe"],
        ["spiffe://andino.pe/"],
        ["spiffe://andino.pe//core"],
        ["spiffe://andino.pe/../core"],
        ["spiffe://andino.pe/core/."],
        ["spiffe://Andino.pe/core"],
        ["SPIFFE://andino.pe/core"],
        ["spiffe://andino.pe:443/core"],
        ["spiffe://user@andino.pe/core"],
        ["spiffe://andino.pe/core?x=1"],
        ["spiffe://andino.pe/core#x"],
        ["spiffe://andino.pe/c%6fre"],
        ["spiffe://andino.pe/" + "x" * 600],
    ],
)
def test_a_certificate_with_an_odd_spiffe_id_is_nobody_even_with_a_subject(
    authority: Authority, uris: list[str]
) -> None:
    pem = authority.signed((CN, "core"), uris=uris).certificate
    with pytest.raises(CertificateInvalidError):
        identity_of_certificate(pem)


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_certificate_is_nobody(pem: bytes) -> None:
    with pytest.raises(CertificateInvalidError):
        identity_of_certificate(pem)
    with pytest.raises(CertificateInvalidError):
        thumbprint_of(pem)


def test_a_certificate_that_names_nobody_is_nobody(authority: Authority) -> None:
    with pytest.raises(CertificateInvalidError):
        identity_of_certificate(authority.signed(hosts=["core.andino.pe"]).certificate)


def test_a_subject_of_a_token_can_never_be_taken_for_a_certificate() -> None:
    assert identity_of_subject("spiffe://andino.pe/core") == "token:spiffe://andino.pe/core"
    assert identity_of_subject("dn:CN=core") == "token:dn:CN=core"


@pytest.mark.parametrize("subject", ["", None, 7, ["core"], "a\nb", "a\x00", "x" * 513])
def test_a_subject_that_is_no_name_is_nobody(subject: object) -> None:
    assert identity_of_subject(subject) is None


def test_a_line_break_at_the_end_is_no_part_of_a_spiffe_id() -> None:
    assert is_spiffe_id("spiffe://andino.pe/core")
    assert not is_spiffe_id("spiffe://andino.pe/core\n")
