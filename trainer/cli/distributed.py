"""`kuntur-trainer features` and `fit-distributed`: a history to Parquet parts, parts to a booster."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.faults import console, fault, told
from trainer.cli.options import (
    TIMES,
    ZONE,
    ConfigOption,
    FilesArgument,
    MappingOption,
    RayAddressOption,
    data_options,
    given,
    require_directory,
    settings_of,
    settings_with_source,
)


def features(
    output: Annotated[Path, typer.Option(help="New directory for the parts, which all nodes share.")],
    files: FilesArgument = None,
    config: ConfigOption = None,
    mapping: MappingOption = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=TIMES, help=f"Later transactions and labels are unknown. {ZONE}"),
    ] = None,
    block_rows: Annotated[int, typer.Option(min=1, help="Transactions a part.")] = 250_000,
    ray_address: RayAddressOption = None,
) -> None:
    """Computes the features of a history on all nodes and writes them as Parquet, for data above one memory.

    The history is in files, or in the PostgreSQL source that --config names.

    Example: kuntur-trainer features data.parquet --output /shared/features --ray-address head:6379
    """
    options = {"data": data_options(files, mapping, until=until), "ray": {"address": ray_address}}
    missing = "nothing to compute from: give files, or name a source in --config"
    settings = settings_with_source(config, options, missing)
    from kuntur.hash_key import secret_from_hex
    from kuntur.journal.file import JournalError
    from kuntur.tables import to_batch
    from trainer.cluster.connection import ClusterError, connected
    from trainer.fitting.distributed import DistributedError, write_parts
    from trainer.progress import Terminal
    from trainer.sources.labels import known_outcomes
    from trainer.sources.postgres import PostgresError
    from trainer.sources.source import institution_zone, read_source
    from trainer.sources.split import TooLittleHistoryError

    faults = (ClusterError, DistributedError, TooLittleHistoryError, JournalError, PostgresError)
    with told(*faults), Terminal(console) as progress:
        table = read_source(settings, progress).table
        if table.served_by_source_row:
            raise fault("the parts are in event order; this source was served in another")
        batch = to_batch(table.frame, secret_from_hex(settings.hash_key))
        _, outcomes = known_outcomes(table, batch.keys)
        label = table.frame["is_fraud"].fill_null(value=False).to_numpy()
        with connected(settings.ray):
            parts = write_parts(
                batch,
                outcomes,
                label,
                output,
                lambda done: progress.step("Writing features", done, len(batch)),
                block_rows,
                institution_zone(settings, progress),
            )
    console.print(f"Wrote {len(batch):,} transactions as {parts} parts to {output}")


def fit_distributed(
    parts: Annotated[Path, typer.Argument(help="Directory that `kuntur-trainer features` wrote.")],
    output: Annotated[Path, typer.Option(help="File for the booster, .json or .ubj.")],
    until: Annotated[
        datetime, typer.Option(formats=TIMES, help="End of training, in UTC unless it names a zone.")
    ],
    workers: Annotated[int, typer.Option(min=1, help="Workers that share the parts.")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="Threads of a worker.")] = 1,
    recipe: Annotated[Path | None, typer.Option(help="Recipe; the shipped one by default.")] = None,
    work: Annotated[Path, typer.Option(help="Ray Train's state, on storage that all nodes share.")] = Path(
        "work"
    ),
    config: ConfigOption = None,
    ray_address: RayAddressOption = None,
) -> None:
    """Fits XGBoost on several nodes, none of which holds all features.

    Example: kuntur-trainer fit-distributed /shared/features --until 2018-08-01 --output booster.json
    """
    if output.suffix not in (".json", ".ubj"):
        raise fault(f"{output}: a booster is written as .json or .ubj")
    require_directory(parts, "directory of parts")
    if recipe is not None and not recipe.exists():
        raise fault(f"{recipe}: no such file")
    moment = until if until.tzinfo else until.replace(tzinfo=UTC)
    settings = settings_of(config, given({"ray": {"address": ray_address}}))
    from trainer.cluster.connection import ClusterError, connected
    from trainer.fitting.distributed import DistributedError, fit
    from trainer.models.recipe import RecipeError
    from trainer.models.recipes import read_recipe, shipped_recipe

    with told(ClusterError, DistributedError, RecipeError):
        chosen = shipped_recipe() if recipe is None else read_recipe(recipe)
        work.mkdir(parents=True, exist_ok=True)
        with connected(settings.ray):
            until_us = round(moment.timestamp() * 1_000_000)
            model = fit(
                parts,
                chosen,
                until_us,
                workers=workers,
                threads=threads,
                seed=settings.search.seed,
                work=work,
            )
        model.booster.save_model(output)
    console.print(f"Wrote a booster of {model.booster.num_boosted_rounds()} rounds to {output}")
