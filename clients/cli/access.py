"""The options by which a command trusts a server and shows who calls; every command has them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

_PANEL = "TLS and identity"


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached; the fields are those of `clients.config.ClientConfig`."""

    tls: Annotated[
        bool | None,
        typer.Option(
            "--tls/--no-tls",
            envvar="KUNTUR_TLS",
            help="Speak TLS: understood with --ca or --certificate; alone it trusts public authorities.",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca",
            envvar="KUNTUR_CA",
            metavar="PEM",
            help="Authorities that the server's certificate must be of.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            envvar="KUNTUR_CERTIFICATE",
            metavar="PEM",
            help="Certificate to show to a server that asks for one.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            envvar="KUNTUR_KEY",
            metavar="PEM",
            help="The certificate's private key, not encrypted.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    server_name: Annotated[
        str | None,
        typer.Option(
            "--server-name",
            envvar="KUNTUR_SERVER_NAME",
            metavar="NAME",
            help="Name in the server's certificate, where --server is another, such as an address.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            envvar="KUNTUR_TOKEN_FILE",
            metavar="FILE",
            help="File with the bearer token to send with each call.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    allow_plaintext_token: Annotated[
        bool,
        typer.Option(
            "--allow-plaintext-token",
            help="Send the token without TLS, which is done to a server on this machine alone: for tests.",
            rich_help_panel=_PANEL,
        ),
    ] = False


def with_access(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of `Access` in the place of its parameter `access`."""
    options = inspect.signature(Access, eval_str=True).parameters
    signature = inspect.signature(command, eval_str=True)
    kept = [each for each in signature.parameters.values() if each.name != "access"]
    added = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in options.values()]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        chosen = {each.name: given.pop(each.name) for each in fields(Access)}
        command(**given, access=Access(**chosen))

    # Typer reads a command's options from its signature.
    run.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    return run
