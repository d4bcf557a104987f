"""TLS on the port of calls, and what must be said to go without: the settings of `[tls]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from kuntur.settings.section import Section
from server.settings.listening import checked_address

ClientCertificate = Literal["none", "required"]
TlsVersion = Literal["1.2", "1.3"]


class Tls(Section):
    """TLS on the port of calls; the files are read again when they change, and no connection is dropped."""

    certificate: Path | None = None
    """PEM file with the server's certificate, then those between it and its CA; unset: no TLS. ECDSA on
    P-256 or P-384, or RSA of 2,048 bits or more."""
    key: Path | None = None
    """PEM file with the certificate's private key, not encrypted, readable by the server's account alone."""
    client_ca: Path | None = None
    """PEM file with the CAs whose certificates callers show. One that is taken out is refused from the next
    handshake on; connections that stand go on until they end, by `limits.max_connection_age_s`."""
    client_certificate: ClientCertificate = "none"
    """Whether callers must show a certificate of one of `client_ca`."""
    open_address: Annotated[str, AfterValidator(checked_address)] | None = None
    """A further address, as `listen_address`, at which callers show no certificate though those at the other
    must: gRPC asks all callers of a port for one, or none. For callers who have a token instead."""
    minimum_version: TlsVersion = "1.3"
    """Oldest TLS that callers may speak. 1.2 is taken with ECDHE and AES-GCM alone."""
    check_interval_s: float = Field(1.0, gt=0, le=3600)
    """Time between two looks at the files."""
    insecure: bool = False
    """Whether the server may listen beyond this machine without TLS: whoever is on the way reads and changes
    everything. Without it such a start is refused."""

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: set both, or neither")
        if self.client_certificate == "required" and self.client_ca is None:
            raise ValueError('client_certificate = "required" needs client_ca, the CAs of the callers')
        if self.client_ca is not None and self.client_certificate == "none":
            raise ValueError('client_ca is of no use unless client_certificate = "required"')
        if self.open_address is not None and self.client_certificate == "none":
            raise ValueError('open_address is of no use unless client_certificate = "required"')
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca needs TLS: set certificate and key")
        return self
