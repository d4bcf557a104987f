"""A server that asks who calls, with an issuer and bindings of the test, and a second port with TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from server.app import ServerApp
from tests.support.identities import Authority, Certified
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, bearer
from tests.support.serving import RunningServer, settings_for, shared_trial, stubs_for

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Guarded(RunningServer):
    """A server that asks who calls."""

    issuer: Issuer
    bindings: Path
    tls_port: int

    def metadata(self, subject: str = "core", **claims: Any) -> Metadata:
        """Returns the metadata of a call with a token."""
        return (("authorization", bearer(self.issuer.token(subject, **claims))),)

    def sample(self, name: str, **labels: str) -> float:
        """Returns a metric, 0 where there is none yet."""
        return self.app.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def guarded_server(
    tmp_path: Path,
    registry: Path,
    bindings: str,
    *,
    issuer: Issuer | None = None,
    authority: Authority | None = None,
    access: dict[str, Any] | None = None,
    **overrides: Any,
) -> Iterator[Guarded]:
    """Runs one while the block lasts; bindings: the text of their file; access, overrides: settings.

    authority: signs the certificate of the port with TLS, and those of its callers.
    """
    issuer, path = issuer or Issuer(), tmp_path / "bindings.toml"
    path.write_text(bindings)
    given = {"mode": "required", "bindings_path": path, "issuer": ISSUER, "audience": AUDIENCE}
    if not (access and access.get("jwks_url")):
        given["jwks_path"] = issuer.publish(tmp_path / "keys.json")
    settings = settings_for(registry, access=given | (access or {}), **overrides)
    app, tls_port = ServerApp(settings, trial=shared_trial()), 0
    if authority is not None:
        own = authority.signed(hosts=["localhost"])
        credentials = grpc.ssl_server_credentials(
            [(own.key, own.certificate)], authority.certificate, require_client_auth=True
        )
        transport: Any = app._server._transport
        tls_port = transport._server.add_secure_port("127.0.0.1:0", credentials)
    with app, stubs_for(f"127.0.0.1:{app.port}") as stubs:
        yield Guarded(app, stubs, registry, issuer, path, tls_port)


@contextmanager
def tls_channel(port: int, authority: Authority, own: Certified | None) -> Iterator[grpc.Channel]:
    """Connects with TLS and a certificate."""
    credentials = grpc.ssl_channel_credentials(
        authority.certificate, own and own.key, own and own.certificate
    )
    options = (("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1))
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
        yield channel
