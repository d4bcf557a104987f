"""The one name of who calls: from a certificate that TLS has verified, or from a token.

The three forms cannot be taken for each other: `spiffe://TRUST-DOMAIN/PATH`, `dn:SUBJECT` in the form of
RFC 4514, and `token:SUB`.
"""

from __future__ import annotations

import base64
import re

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from server.errors import CertificateInvalidError

MAX_IDENTITY = 512
_SPIFFE = "spiffe://"
_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)+")
_DOTS = re.compile(r"/\.{1,2}(/|$)")


def is_spiffe_id(text: str) -> bool:
    """Returns whether text is a SPIFFE ID of a workload, as the standard writes one."""
    return _SPIFFE_ID.fullmatch(text) is not None and _DOTS.search(text) is None


def identity_of_certificate(pem: bytes) -> str:
    """Returns the identity in a certificate: its SPIFFE ID, else its subject.

    Raises CertificateInvalidError for one without either, or with a SPIFFE ID that breaks its standard.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        uris = _uris(certificate)
        subject = certificate.subject.rfc4514_string()
    except Exception as error:  # whatever an odd certificate leads a parser to
        raise CertificateInvalidError from error
    if any(uri.lower().startswith(_SPIFFE) for uri in uris):
        # An SVID has one URI and no other: a second name would be for whoever looks at that one.
        if len(uris) != 1 or not is_spiffe_id(uris[0]) or len(uris[0]) > MAX_IDENTITY:
            raise CertificateInvalidError
        return uris[0]
    if not subject or len(subject) > MAX_IDENTITY:
        raise CertificateInvalidError
    return f"dn:{subject}"


def identity_of_subject(subject: object) -> str | None:
    """Returns the identity of a token with this claim sub; None where it names nobody."""
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_IDENTITY or not subject.isprintable():
        return None
    return f"token:{subject}"


def thumbprint_of(pem: bytes) -> str:
    """Returns the SHA-256 of a certificate as a token bound to it has it (RFC 8705). Raises as above."""
    try:
        digest = x509.load_pem_x509_certificate(pem).fingerprint(SHA256())
    except ValueError as error:
        raise CertificateInvalidError from error
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)
