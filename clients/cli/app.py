"""Puts the commands of `kuntur` together."""

from __future__ import annotations

import typer

from clients.cli.backfill import backfill
from clients.cli.models import models
from clients.cli.outcomes import outcomes
from clients.cli.score import score

app = typer.Typer(
    name="kuntur",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # locals may hold customers' data
    help="""
    Scores files of bank transactions with a running Kuntur server, and tells it what became of them.

    A new server, from history to scores:

    [bold]kuntur models[/bold]
    [bold]kuntur backfill tx.parquet --until 2026-07-01[/bold]
    [bold]kuntur score tx.parquet --from 2026-07-01 -o scored.parquet[/bold]

    Every command takes --server HOST:PORT, or reads KUNTUR_SERVER. A server that
    speaks TLS needs --ca, and --certificate with --key or --token-file where it
    asks who calls:

    [bold]kuntur models --server kuntur.bank:50051 --ca ca.pem --token-file token[/bold]

    Exit codes: 0 all is well, 1 some rows were refused, 2 the command could
    not be carried out.
    """,
)
app.command()(score)
app.command()(backfill)
app.command()(outcomes)
app.command()(models)
