"""`kuntur-server serve` with TLS and without: what starts, what does not, what is spoken, what is written."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from tests.support.bundles import publish_constant
from tests.support.certificates import CLIENT, Authority, replace
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import stubs_for, transaction, unary, wait_until

_MODERN_1_2 = {
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A folder with a registry, the files of a server and its authority."""

    folder: Path
    authority: Authority

    def config(self, *lines: str, tls: bool = True) -> Path:
        """Writes the settings: TLS with the files of the folder, and more lines."""
        files = ['certificate = "server.pem"', 'key = "server.key"', "check_interval_s = 0.05"]
        text = "\n".join(["[tls]", *(files if tls else ()), *lines])
        path = self.folder / "server.toml"
        path.write_text(text.replace('= "server.', f'= "{self.folder}/server.') + "\n")
        return path

    def serve(self, *arguments: object, workers: int = 1, listen: str = "127.0.0.1:0") -> ServerProcess:
        """Starts a server."""
        registry = str(self.folder / "registry")
        return ServerProcess("--registry", registry, *map(str, arguments), workers=workers, listen=listen)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    authority = Authority("Servers")
    authority.server().write(tmp_path, "server")
    publish_constant(tmp_path / "registry", "m-1", 0.1)
    return Place(tmp_path, authority)


def scored(server: ServerProcess, credentials: grpc.ChannelCredentials | None = None) -> str:
    with stubs_for(server.address.replace("127.0.0.1", "localhost"), credentials) as stubs:
        answer = stubs.scoring.ScoreTransaction(unary(transaction()), timeout=60, wait_for_ready=True)
    return str(answer.score.transaction_id)


@contextlib.contextmanager
def handshake(
    server: ServerProcess, authority: Authority, *, newest: ssl.TLSVersion, suites: str = "DEFAULT"
) -> Iterator[ssl.SSLSocket]:
    """Shakes hands as a client of at most this version with these suites."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    context.set_alpn_protocols(["h2"])
    context.maximum_version = newest
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    host, _, port = server.address.rpartition(":")
    with (
        socket.create_connection((host, int(port))) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as wrapped,
    ):
        yield wrapped


def test_by_default_nothing_older_than_tls_1_3_is_spoken(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRPC_SSL_CIPHER_SUITES", "ECDHE-ECDSA-AES128-GCM-SHA256")  # is not heeded
    with place.serve("--config", place.config()) as server:
        assert scored(server, grpc.ssl_channel_credentials(place.authority.certificate)) == "t-1"
        with handshake(server, place.authority, newest=ssl.TLSVersion.TLSv1_3) as wrapped:
            assert (wrapped.version(), wrapped.selected_alpn_protocol()) == ("TLSv1.3", "h2")
        with (
            pytest.raises((ssl.SSLError, ConnectionError)),
            handshake(server, place.authority, newest=ssl.TLSVersion.TLSv1_2),
        ):
            pass
        assert server.end() == 0
    assert all(line.startswith("{") for line in server.lines), server.lines


def test_tls_1_2_is_spoken_where_it_is_set_with_modern_suites_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRPC_SSL_CIPHER_SUITES", "ECDHE-ECDSA-AES128-SHA:AES128-SHA")
    newest, taken = ssl.TLSVersion.TLSv1_2, set()
    with place.serve("--config", place.config('minimum_version = "1.2"')) as server:
        for suite in ssl.create_default_context().get_ciphers() + [
            {"name": name} for name in ("ECDHE-ECDSA-AES128-SHA", "AES128-SHA", "AES128-GCM-SHA256")
        ]:
            if suite["name"].startswith("TLS_"):
                continue
            with (
                contextlib.suppress(ssl.SSLError, ConnectionError),
                handshake(server, place.authority, newest=newest, suites=suite["name"]) as wrapped,
            ):
                assert wrapped.version() == "TLSv1.2"
                taken.add(suite["name"])
    assert taken
    assert taken <= _MODERN_1_2


@pytest.mark.parametrize("workers", [1, 2])
def test_listening_beyond_this_machine_without_tls_is_refused(place: Place, workers: int) -> None:
    with place.serve(workers=workers, listen="0.0.0.0:0") as server:
        assert server.wait() == 2
    (line,) = [each for each in server.lines if each.startswith("kuntur-server: ")]
    assert "0.0.0.0:0 is open to other machines" in line
    assert "tls.certificate" in line
    assert "--insecure" in line


def test_it_is_not_refused_where_that_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.serve("--insecure", listen="0.0.0.0:0") as server:
        assert scored(server) == "t-1"
        assert server.wrote("calls come in plain text")
    monkeypatch.setenv("KUNTUR_SERVER_TLS__INSECURE", "true")
    with place.serve(listen="0.0.0.0:0", workers=2) as server:
        assert scored(server) == "t-1"


def test_with_tls_it_needs_no_saying_and_workers_follow_the_files(place: Place) -> None:
    credentials = grpc.ssl_channel_credentials(place.authority.certificate)
    with place.serve("--config", place.config(), listen="0.0.0.0:0", workers=2) as server:
        assert scored(server, credentials) == "t-1"
        wait_until(lambda: server.wrote("server started", '"workers": 2'))  # not the first of them alone
        other = Authority("Servers, new")
        other.server().write(place.folder, "server")
        wait_until(lambda: sum("changed certificates are in force" in each for each in server.lines) == 2)
        assert scored(server, grpc.ssl_channel_credentials(other.certificate)) == "t-1"
        with pytest.raises(grpc.RpcError), stubs_for(server.address, credentials) as stubs:
            stubs.health_of()
        assert server.end() == 0


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda place: (place.folder / "server.key").unlink(), "server.key: cannot be read"),
        (lambda place: (place.folder / "server.pem").write_text("x"), "server.pem: holds no certificate"),
        (
            lambda place: replace(place.folder / "server.key", place.authority.server().key),
            "is not the key of the first certificate",
        ),
        (
            lambda place: place.authority.server(valid=timedelta(days=-1)).write(place.folder, "server"),
            "the certificate expired",
        ),
        (
            lambda place: place.authority.server(usage=CLIENT).write(place.folder, "server"),
            "is not for servers",
        ),
    ],
    ids=["missing", "no PEM", "another key", "expired", "for clients"],
)
def test_files_that_cannot_be_used_are_named_and_nothing_starts(
    place: Place, break_it: object, why: str, workers: int
) -> None:
    assert callable(break_it)
    break_it(place)
    with place.serve("--config", place.config(), workers=workers) as server:
        assert server.wait() == 2
    (line,) = [each for each in server.lines if each.startswith("kuntur-server: ")]
    assert why in line


@pytest.mark.parametrize("workers", [1, 2])
def test_a_further_address_lets_callers_in_who_have_no_certificate(place: Place, workers: int) -> None:
    callers = Authority("Callers")
    replace(place.folder / "server.ca", callers.certificate)
    mutual = ['client_certificate = "required"', 'client_ca = "server.ca"', 'open_address = "127.0.0.1:0"']
    anonymous = grpc.ssl_channel_credentials(place.authority.certificate)
    pair = callers.client()
    named = grpc.ssl_channel_credentials(place.authority.certificate, pair.key, pair.certificate)
    with place.serve("--config", place.config(*mutual), workers=workers) as server:
        assert scored(server, named) == "t-1"
        with pytest.raises(grpc.RpcError), stubs_for(server.address, anonymous) as stubs:
            stubs.health_of()
        found = [line for line in map(json.loads, server.lines) if line.get("open_port")]
        with stubs_for(f"localhost:{found[-1]['open_port']}", anonymous) as stubs:
            assert stubs.health_of() == "SERVING"
        assert server.end() == 0


def test_settings_that_do_not_go_together_are_refused(place: Place) -> None:
    with place.serve("--config", place.config('client_certificate = "required"')) as server:
        assert server.wait() == 2
    assert "needs client_ca" in "".join(server.lines)


def test_neither_the_log_nor_the_settings_show_the_key(place: Place) -> None:
    secrets = [(place.folder / "server.key").read_text().splitlines()[1]]
    (place.folder / "server.key").chmod(0o644)
    config = place.config()
    shown = subprocess.run(
        [sys.executable, "-m", "server", "config", "--config", str(config)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    with place.serve("--config", config) as server:
        assert scored(server, grpc.ssl_channel_credentials(place.authority.certificate)) == "t-1"
        pair = place.authority.server()
        secrets.append(pair.key.decode().splitlines()[1])
        replace(place.folder / "server.pem", pair.certificate)
        wait_until(lambda: server.wrote("changed certificates cannot be used"))
        replace(place.folder / "server.key", pair.key)
        wait_until(lambda: server.wrote("changed certificates are in force"))
        assert server.end() == 0
    written = "".join(server.lines) + shown
    assert server.wrote("the private key can be read by other accounts")
    assert "server.key" in shown
    assert not [secret for secret in secrets if secret in written]
    assert [json.loads(line) for line in server.lines]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_page_of_metrics_speaks_tls_and_asks_for_a_certificate(place: Place, workers: int) -> None:
    callers = Authority("Prometheus")
    replace(place.folder / "server.ca", callers.certificate)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = place.config(
        "[metrics]",
        f"port = {port}",
        'certificate = "server.pem"',
        'key = "server.key"',
        'client_ca = "server.ca"',
    )
    certificate, key = callers.client().write(place.folder, "prometheus")
    with place.serve("--config", config, workers=workers) as server:
        assert server.address
        wait_until(lambda: server.wrote("server started"))

        def page(authority: Authority, *, shows: bool) -> str:
            context = ssl.create_default_context(cadata=authority.certificate.decode())
            if shows:
                context.load_cert_chain(certificate, key)
            with urllib.request.urlopen(
                f"https://localhost:{port}/metrics", context=context, timeout=60
            ) as answer:
                return str(answer.read().decode())

        with socket.create_connection(("127.0.0.1", port)):  # who says nothing holds up nobody
            text = page(place.authority, shows=True)
        assert "kuntur_tls_certificate_seconds_left" in text
        with pytest.raises((OSError, ssl.SSLError)):
            page(place.authority, shows=False)
        other = Authority("Servers, new")
        other.server().write(place.folder, "server")
        wait_until(lambda: server.wrote("changed certificates are in force", '"use": "metrics"'))
        assert "kuntur_tls_files_taken_total" in page(other, shows=True)
        assert server.end() == 0
