"""The options of `kuntur` for TLS and tokens, which every command has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import grpc
import pytest
from click.testing import Result
from typer.testing import CliRunner

from clients import ClientConfig
from clients.cli.access import Access
from clients.cli.app import app
from tests.fakes.scoring_server import FakeServer
from tests.support.certificates import Authority, replace

_COMMANDS = ("score", "backfill", "outcomes", "models")
_WIDE = {"COLUMNS": "200", "TERM": "dumb"}


def run(*arguments: object, **environment: object) -> Result:
    given = _WIDE | {name: str(value) for name, value in environment.items()}
    return CliRunner().invoke(app, [str(each) for each in arguments], env=given)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    authority, callers = Authority("Servers"), Authority("Callers")
    certificate, key = callers.client("desk").write(tmp_path, "desk")
    server = authority.server("localhost", "127.0.0.1", "kuntur.bank")
    return {
        "ca": replace(tmp_path / "ca.pem", authority.certificate),
        "callers": replace(tmp_path / "callers.pem", callers.certificate),
        "certificate": certificate,
        "key": key,
        "server_certificate": replace(tmp_path / "server.pem", server.certificate),
        "server_key": replace(tmp_path / "server.key", server.key),
        "token": replace(tmp_path / "token", b"a-token"),
    }


@pytest.fixture
def server(files: dict[str, Path]) -> Iterator[FakeServer]:
    credentials = grpc.ssl_server_credentials(
        [(files["server_key"].read_bytes(), files["server_certificate"].read_bytes())],
        files["callers"].read_bytes(),
        require_client_auth=True,
    )
    with FakeServer(credentials=credentials) as running:
        yield running


def test_the_options_are_settings_of_the_client() -> None:
    assert {each.name for each in fields(Access)} <= {each.name for each in fields(ClientConfig)}


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_tells_of_them(command: str) -> None:
    told = run(command, "--help").output
    for each in fields(Access):
        assert f"--{each.name.replace('_', '-')}" in told
    assert "KUNTUR_TOKEN_FILE" in told


def test_a_command_shows_certificate_and_token(server: FakeServer, files: dict[str, Path]) -> None:
    done = run(
        "models", "--server", server.address, "--ca", files["ca"], "--certificate", files["certificate"],
        "--key", files["key"], "--token-file", files["token"], "--server-name", "kuntur.bank",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "m-1" in done.output
    assert server.callers == ["desk"]
    assert server.authorizations == ["Bearer a-token"]


def test_variables_do_the_same(server: FakeServer, files: dict[str, Path]) -> None:
    done = run(
        "models",
        KUNTUR_SERVER=server.address,
        KUNTUR_CA=files["ca"],
        KUNTUR_CERTIFICATE=files["certificate"],
        KUNTUR_KEY=files["key"],
        KUNTUR_TOKEN_FILE=files["token"],
    )
    assert done.exit_code == 0, done.output
    assert (server.callers, server.authorizations) == (["desk"], ["Bearer a-token"])


def test_what_is_wrong_is_one_sentence(server: FakeServer, files: dict[str, Path]) -> None:
    given = ("models", "--server", server.address, "--ca")
    missing = run(*given, "nowhere.pem")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    assert "kuntur: nowhere.pem: cannot be read" in missing.stderr
    alone = run(*given, files["ca"], "--certificate", files["certificate"])
    assert (alone.exit_code, alone.stderr.count("\n")) == (2, 1)
    assert "certificate and key go together" in alone.stderr
    plain = run("models", "--server", server.address, "--token-file", files["token"])
    assert (plain.exit_code, plain.stderr.count("\n")) == (2, 1)
    assert "a token would go in plain text" in plain.stderr
    anonymous = run(*given, files["ca"], "--timeout-seconds", "1")
    assert anonymous.exit_code == 2
    assert "a-token" not in missing.output + alone.output + plain.output + anonymous.output
