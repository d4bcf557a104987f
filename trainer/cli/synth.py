"""`kuntur-trainer synth`: options to the settings of the generator."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.faults import console, fault, require_parquet, told
from trainer.cli.options import told_of


def synth(
    output: Annotated[Path, typer.Argument(help="Parquet file to write; its name ends in .parquet.")],
    transactions: Annotated[int, typer.Option(help="How many transactions.")] = 1_000_000,
    accounts: Annotated[int, typer.Option(help="Accounts and cards.")] = 20_000,
    merchants: Annotated[int, typer.Option(help="Merchants, cash machines and agents.")] = 4_000,
    days: Annotated[int, typer.Option(help="Days that they spread over.")] = 180,
    fraud_rate: Annotated[float, typer.Option(help="Share of fraud.")] = 0.005,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")] = datetime(2024, 1, 1),
    seed: Annotated[int, typer.Option(help="Same seed, same transactions.")] = 20240101,
    scenario: Annotated[
        str,
        typer.Option(
            help="classic: four kinds of fraud. full: eight, with instant transfers, honest look-alikes, "
            "seasons and a mix that changes."
        ),
    ] = "classic",
    mix: Annotated[
        list[str] | None,
        typer.Option(help="Weight of a kind among the frauds, such as sim_swap=0.3; once for each."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Kind of fraud to leave out; once for each.")
    ] = None,
) -> None:
    """Makes realistic transactions of Peruvian banks, with fraud that has causes and labels that come late.

    Examples:
      kuntur-trainer synth data.parquet --transactions 300000 --days 90

      kuntur-trainer synth data.parquet --scenario full --start 2024-05-01 --without sim_swap

    """
    from pydantic import ValidationError

    from trainer.progress import Terminal
    from trainer.synthetic import SCENARIOS, SyntheticConfig, write

    require_parquet(output)
    if scenario not in SCENARIOS:
        raise fault(f"--scenario: no scenario {scenario}; choose from {', '.join(SCENARIOS)}")
    world = SCENARIOS[scenario]
    try:
        config = SyntheticConfig(
            seed=seed,
            transactions=transactions,
            accounts=accounts,
            merchants=merchants,
            days=days,
            fraud_rate=fraud_rate,
            start=start.date(),
            **(world | {"fraud_mix": _mixed(world["fraud_mix"], mix or [], without or [])}),
        )
    except ValidationError as error:
        raise fault(told_of(error)) from error
    with told(), Terminal(console) as progress:
        written = write(config, output, lambda done, total: progress.step("Making transactions", done, total))
    console.print(f"Wrote {written:,} transactions to {output}; read them with --mapping kuntur")


def _mixed(mix: dict[str, float], changes: list[str], without: list[str]) -> dict[str, float]:
    """Returns weights by kind with those of the options. What kinds there are is left to the settings."""
    found = dict(mix)
    for change in changes:
        kind, _, weight = change.partition("=")
        try:
            found[kind] = float(weight)
        except ValueError:
            raise fault(f"--mix {change}: write a kind and its weight, such as sim_swap=0.3") from None
    return found | dict.fromkeys(without, 0.0)
