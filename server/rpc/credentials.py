"""gRPC's credentials of a port, from the certificates that are in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import grpc

from server.settings.config import ServerSettings
from server.tls.material import Material
from server.tls.watch import CertificateWatch


def listening(
    settings: ServerSettings, watch: CertificateWatch | None
) -> list[tuple[str, grpc.ServerCredentials | None]]:
    """Returns the addresses to listen on, each with its credentials; watch: None without TLS."""
    if watch is None:
        return [(settings.listen_address, None)]
    tls = settings.tls
    mutual = tls.client_certificate == "required"
    found: list[tuple[str, grpc.ServerCredentials | None]]
    found = [(settings.listen_address, server_credentials(watch, client_certificate=mutual))]
    if tls.open_address is not None:
        found.append((tls.open_address, server_credentials(watch, client_certificate=False)))
    return found


def server_credentials(watch: CertificateWatch, *, client_certificate: bool) -> grpc.ServerCredentials:
    """Returns credentials that take what is in force before each handshake.

    Connections that stand are left alone.

    client_certificate: whether callers must show one.
    """
    given = watch.material

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        material = watch.material
        if material is given:
            return None  # no change
        given = material
        return _configuration(material)

    # Its types know nothing of None, which its documentation asks for.
    fetcher = cast(Callable[[], grpc.ServerCertificateConfiguration], fetch)
    return grpc.dynamic_ssl_server_credentials(_configuration(given), fetcher, client_certificate)


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    contents = material.contents
    return grpc.ssl_server_certificate_configuration(
        [(contents.key, contents.certificate)], root_certificates=contents.client_ca
    )
