"""The command line of the trainer. Heavy imports stand inside the commands, so that --help is quick."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainer.cli.backtest import backtest
from trainer.cli.compiling import compile_functions
from trainer.cli.faults import console, fault, require_parquet, told, training
from trainer.cli.options import (
    TIMES,
    ZONE,
    ConfigOption,
    FilesArgument,
    LabelDelayOption,
    MappingOption,
    MethodOption,
    NamedMappingOption,
    RayAddressOption,
    SearchWorkOption,
    SinceOption,
    TrialsOption,
    data_options,
    require_directory,
    require_files,
    settings_of,
    settings_with_source,
)
from trainer.cli.signing import sign, verify
from trainer.cli.synth import synth
from trainer.cli.tuning import tune

if TYPE_CHECKING:
    from trainer.settings.config import TrainerSettings

app = typer.Typer(
    name="kuntur-trainer",
    help="Trains fraud models and publishes them as bundles that kuntur-server picks up.",
    epilog="Settings: defaults < --config FILE < environment (KUNTUR_TRAINER_SEARCH__TRIALS=40) < options.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command()(synth)
_DATABASE = "The address of its database is a setting, as in the example."


@app.command()
def train(
    files: FilesArgument = None,
    config: ConfigOption = None,
    mapping: MappingOption = None,
    journal: Annotated[
        Path | None, typer.Option(help="Learn from a server's journal instead of files.")
    ] = None,
    journal_keys: Annotated[
        Path | None, typer.Option(help="Folder of the keys of an encrypted journal.")
    ] = None,
    postgres_table: Annotated[
        str | None,
        typer.Option(
            help=f"Learn from a PostgreSQL table instead of files, such as public.cards. {_DATABASE}"
        ),
    ] = None,
    postgres_query: Annotated[
        str | None, typer.Option(help=f"Learn from what a SELECT gives. {_DATABASE}")
    ] = None,
    since: SinceOption = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=TIMES,
            help="The moment at which the trainer stands: later transactions and labels are unknown. By "
            f"default just after the last transaction. {ZONE}",
        ),
    ] = None,
    registry: Annotated[Path | None, typer.Option(help="Where to publish.")] = None,
    work: SearchWorkOption = None,
    trials: TrialsOption = None,
    method: MethodOption = None,
    label_delay_days: LabelDelayOption = None,
    alerts_per_day: Annotated[
        float | None, typer.Option(help="Transactions a day that can be reviewed.")
    ] = None,
    force: Annotated[
        bool | None,
        typer.Option(
            "--force", help="Publish live even if it is not shown to be better; the bundle says so."
        ),
    ] = None,
    ray_address: RayAddressOption = None,
) -> None:
    """Trains on everything known before --until, checks the export and publishes.

    The model goes live if there is none, if it is better than the live one on the newest labelled
    transactions, or if it passes its own tests and the live one cannot be compared; else it is published as a
    challenger, with the verdict in words.

    Examples:
      kuntur-trainer train data.parquet --registry registry

      kuntur-trainer train transactions.parquet --mapping handbook --until 2018-08-01

      kuntur-trainer train --journal journal --trials 40 --ray-address auto

      export KUNTUR_TRAINER_DATA__POSTGRES__URI=postgresql://user:password@host:5432/database

      kuntur-trainer train --postgres-table public.pagos --mapping banco.toml --since 2024-01-01

    """
    options: dict[str, Any] = {
        "data": data_options(files, mapping, since, until)
        | {
            "journal": journal,
            "journal_keys": journal_keys,
            "postgres": {"table": postgres_table, "query": postgres_query},
        },
        "split": {"label_delay_days": label_delay_days},
        "search": {"trials": trials, "method": method},
        "thresholds": {"review_alerts_per_day": alerts_per_day},
        "gate": {"force": force},
        "ray": {"address": ray_address},
        "registry": registry,
        "work": work,
    }
    missing = "nothing to learn from: give files, --journal DIRECTORY, or --postgres-table TABLE"
    _train(settings_with_source(config, options, missing))


app.command()(backtest)
app.command()(tune)
app.command()(sign)
app.command()(verify)
app.command("compile")(compile_functions)


@app.command("config")
def show_config(
    config: ConfigOption = None,
) -> None:
    """Prints the settings in force as a TOML file, each with what it means.

    Example: kuntur-trainer config > trainer.toml
    """
    import sys

    from kuntur.hash_key import DEFAULT_HASH_KEY
    from kuntur.settings.document import to_toml
    from trainer.settings.environment import ENVIRONMENT_PREFIX

    settings = settings_of(config, {})
    sys.stdout.write(to_toml(settings, ENVIRONMENT_PREFIX, {"hash_key": DEFAULT_HASH_KEY}))


@app.command()
def replay(
    files: Annotated[list[str], typer.Argument(help="The whole history, as it was served.")],
    model: Annotated[Path, typer.Option(help="Bundle to score with, such as registry/VERSION.")],
    mapping: NamedMappingOption = "kuntur",
    compare: Annotated[
        Path | None, typer.Option(help="File of `kuntur score` to compare with: .parquet, .csv or .jsonl.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Parquet file for the scores, with labels where known."),
    ] = None,
    hash_key: Annotated[
        str | None, typer.Option(envvar="KUNTUR_TRAINER_HASH_KEY", help="Key of the ids' hashes.")
    ] = None,
) -> None:
    """Rebuilds scores from history, and proves that they are the ones that were served.

    Example: kuntur-trainer replay data.parquet --model registry/VERSION --compare scored.parquet

    Exit codes: 0 all compared scores are equal bit for bit, 1 some are not, 2 not carried out.
    """
    if output is not None:
        require_parquet(output)
    require_files(files, mapping)
    require_directory(model, "bundle")
    if compare is not None and not compare.is_file():
        raise fault(f"{compare}: no such file")
    from kuntur.bundle.bundle import BundleRefusedError
    from trainer.app import replay_files
    from trainer.confined.model import ModelRunError
    from trainer.progress import Terminal

    with told(ValueError, BundleRefusedError, ModelRunError), Terminal(console) as progress:
        report = replay_files(tuple(files), mapping, model, compare, output, hash_key, progress)
    console.print(f"Replayed {report.rows:,} transactions with {report.model_version}")
    if report.output is not None:
        from trainer.release.replayed import told_figures

        for line in told_figures(report.output):
            console.print(line, markup=False, highlight=False)
    if compare is not None:
        equal = report.compared - report.different
        console.print(
            f"Compared {report.compared:,} served scores: {equal:,} equal bit for bit, "
            f"{report.different:,} not"
        )
    raise typer.Exit(1 if report.different else 0)


def _train(settings: TrainerSettings) -> None:
    from trainer.progress import Terminal

    with training():
        from trainer.app import run
        from trainer.cli.training_report import show

        with Terminal(console) as progress:
            report = run(settings, progress)
    show(report, settings.registry, console)
