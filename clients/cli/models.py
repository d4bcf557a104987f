"""`kuntur models`: what the registry holds and what scores."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from clients.cli.access import Access, with_access
from clients.cli.faults import told
from clients.cli.options import Server, TimeoutSeconds, open_client
from clients.values.models import Model, ModelState

_STYLES = {ModelState.LIVE: "bold green", ModelState.REFUSED: "red"}


@with_access
def models(
    *,
    server: Server = "localhost:50051",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything known of each model as JSON.")
    ] = False,
    timeout_seconds: TimeoutSeconds = 10.0,
    access: Access,
) -> None:
    """
    Lists the server's models, newest first: which scores, which were refused.

    [bold]kuntur models[/bold]
    [bold]kuntur models --json | jq '.[] | select(.state == "LIVE") | .metrics'[/bold]
    """
    from rich.console import Console

    with told(server), open_client(server, timeout_seconds, access) as client:
        found = client.models()
    if as_json:
        text = json.dumps([_document(model) for model in found], indent=2)
        Console().print(text, markup=False, highlight=False, soft_wrap=True)
    else:
        _print_table(found)


# All of them are in --json; a table has room for what tells models apart.
_SHOWN_METRICS = ("average_precision", "auc_roc", "recall", "precision", "alerts_per_day")


def _print_table(found: list[Model]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("version", "state", "algorithm", "metrics", "live since", "refusal")
    for model in found:
        metrics = "\n".join(
            f"{name} {model.metrics[name]:.4g}" for name in _SHOWN_METRICS if name in model.metrics
        )
        refusal = f"{model.refusal.reason}: {model.refusal.message}" if model.refusal else ""
        since = f"{model.live_since_time:%Y-%m-%d %H:%M:%SZ}" if model.live_since_time else ""
        if model.signers:
            since += f"\nsigned by {', '.join(model.signers)}"
        state = Text(model.state.name, style=_STYLES.get(model.state, ""))
        table.add_row(
            Text(model.model_version), state, Text(model.algorithm), Text(metrics), since, Text(refusal)
        )
    Console().print(table)


def _document(model: Model) -> dict[str, object]:
    """Returns a model as JSON can hold it: names for numbers, ISO times."""
    document: dict[str, object] = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(model).items()
    }
    document["state"] = model.state.name
    return document
