"""`kuntur-server go-back`: an older model, which a server refuses by itself, may go live again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_NOT_CARRIED_OUT = 2


def go_back(
    model_version: Annotated[str, typer.Argument(metavar="VERSION", help="The model to go back to.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", envvar="KUNTUR_SERVER_CONFIG", metavar="FILE", help="TOML file with settings."
        ),
    ] = None,
    registry: Annotated[
        Path | None, typer.Option("--registry", metavar="DIR", help="Directory of model bundles.")
    ] = None,
) -> None:
    """Lets the servers that share signatures.newest_live go back to an older model, on purpose.

    Its signatures are verified, and it is kept as the newest from now on. Then name it in the registry's
    LIVE: a running server takes it within seconds. Every model that is newer than this one may go live
    again, too.

    Example: kuntur-server go-back VERSION --config server.toml

    Exit codes: 0 done, 2 not carried out.
    """
    from kuntur.bundle.bundle import BundleRefusedError
    from kuntur.bundle.signing import PolicyError
    from server.models.newest import NewestLiveError
    from server.models.trust import go_back as lower
    from server.settings.config import ConfigError, load_settings

    try:
        settings = load_settings(config, {} if registry is None else {"registry_path": registry})
        signatures = settings.signatures
        if signatures.policy is None or signatures.newest_live is None:
            raise _failure(
                "set signatures.policy and signatures.newest_live: without them nothing is refused"
            )
        before = lower(settings.registry_path, model_version, signatures.policy, signatures.newest_live)
    except (ConfigError, PolicyError, BundleRefusedError, NewestLiveError) as error:
        raise _failure(str(error)) from error
    told = "nothing" if before is None else f"{before.model_version} of {before.time.isoformat()}"
    typer.echo(f"{model_version} may go live; the newest was {told}. Now name it in LIVE:")
    typer.echo(f"echo {model_version} > {settings.registry_path}/.LIVE.new")
    typer.echo(f"mv {settings.registry_path}/.LIVE.new {settings.registry_path}/LIVE")


def _failure(message: str) -> typer.Exit:
    sys.stderr.write(f"kuntur-server: {message.rstrip()}\n")
    return typer.Exit(_NOT_CARRIED_OUT)
