"""What may be open to others without TLS, and the files of a port that speaks it."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import structlog

from server.errors import TlsError
from server.settings.config import ServerSettings
from server.settings.listening import is_loopback, stays_here
from server.settings.tls import Tls, TlsVersion
from server.tls.material import TlsFiles, checked, read
from server.tls.watch import CertificateWatch

_LOG = structlog.get_logger(__name__)
# With AES-GCM and a key that is agreed upon anew, which is all that HTTP/2 leaves of TLS 1.2.
_SUITES_1_2 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
)
# Suites of TLS 1.3 cannot be chosen, and gRPC has no setting for the version. With a list for TLS 1.2 that
# holds nothing but what needs a shared key, which no server of gRPC has, only TLS 1.3 is left.
_NONE_OF_1_2 = "ECDHE-PSK-CHACHA20-POLY1305"
_SUITES_VARIABLE = "GRPC_SSL_CIPHER_SUITES"
_VERBOSITY_VARIABLE = "GRPC_VERBOSITY"


def choose_suites(minimum_version: TlsVersion) -> None:
    """Has gRPC take no older TLS and no other suites; for this process and those that it starts.

    Call it before grpcio is imported, which reads these variables then. What the environment says of
    suites is not heeded: it could only weaken them.
    """
    os.environ[_SUITES_VARIABLE] = _NONE_OF_1_2 if minimum_version == "1.3" else _SUITES_1_2
    # Else each handshake that fails, as every scan of the port does, writes a line that is no JSON.
    os.environ.setdefault(_VERBOSITY_VARIABLE, "ERROR")


def files_of(settings: Tls) -> TlsFiles | None:
    """Returns the files that the port of calls is served with; None without TLS."""
    if settings.certificate is None or settings.key is None:
        return None
    return TlsFiles(settings.certificate, settings.key, settings.client_ca)


def watch_of(settings: Tls) -> CertificateWatch | None:
    """Returns what keeps the port's certificates in force; None without TLS. Raises TlsError."""
    files = files_of(settings)
    return None if files is None else CertificateWatch(files, settings.check_interval_s)


def refuse_open_port(settings: ServerSettings) -> None:
    """Refuses a port that other machines reach without TLS, unless that was said.

    Raises:
        TlsError: What to set.
    """
    if not settings.tls.insecure and _in_the_clear(settings):
        raise TlsError(
            f"listen_address {settings.listen_address} is open to other machines, and there is no TLS: set "
            "tls.certificate and tls.key, or listen on 127.0.0.1, or say --insecure (tls.insecure = true) "
            "where something in front speaks TLS or nobody else is on that network"
        )


def check_tls(settings: ServerSettings) -> None:
    """Refuses settings that no worker could start with. Raises TlsError."""
    refuse_open_port(settings)
    files = files_of(settings.tls)
    if files is not None:
        checked(files, read(files))


def warn_of_plain_text(settings: ServerSettings) -> None:
    """Warns of what leaves this machine, or comes to it, without TLS."""
    if _in_the_clear(settings):
        _LOG.warning(
            "calls come in plain text: whoever is on the way reads and changes them",
            listen=settings.listen_address,
        )
    metrics = settings.metrics
    if metrics.port and metrics.certificate is None and not is_loopback(metrics.host):
        _LOG.warning("metrics leave this machine in plain text; set metrics.certificate", host=metrics.host)
    redis = urlsplit(settings.redis.url)
    if settings.history.store == "redis" and redis.scheme == "redis":
        host = redis.hostname or "localhost"
        if not is_loopback(host):
            _LOG.warning("the history leaves this machine in plain text; use rediss://", host=host)


def _in_the_clear(settings: ServerSettings) -> bool:
    return settings.tls.certificate is None and not stays_here(settings.listen_address)
