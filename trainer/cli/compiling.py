"""`kuntur-trainer compile`: compiles what the trainer runs, for its image."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from trainer.cli.faults import console, fault


def compile_functions(
    check: Annotated[
        bool, typer.Option("--check", help="Compile nothing: exit with 2 where a run would have to.")
    ] = False,
) -> None:
    """Compiles what the trainer runs, so that no run has to: once in an image or an installation.

    The functions are kept beside the code, in kuntur/__compiled__, for every processor of this family that
    is not older than its baseline.

    Example: kuntur-trainer compile && kuntur-trainer compile --check
    """
    from kuntur.compiled import CompileError, compile_ahead

    try:
        done = compile_ahead(_run_everything, check=check, say=console.print)
    except CompileError as error:
        raise fault(str(error)) from error
    console.print(done.told(), highlight=False, soft_wrap=True)


def _run_everything() -> None:
    """Runs each compiled function of the trainer: a small history, replayed, and reasons."""
    from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
    from kuntur.tables import Mapping, read
    from trainer.dataset.training_set import build
    from trainer.synthetic import SyntheticConfig, write

    few = SyntheticConfig(transactions=1_000, accounts=100, merchants=400, days=30, fraud_rate=0.01)
    with TemporaryDirectory(prefix="kuntur-compile-") as folder:
        path = Path(folder) / "transactions.parquet"
        write(few, path)
        table = read(path, Mapping.load("kuntur"))
    build(table, secret_from_hex(DEFAULT_HASH_KEY), lambda _: None)
    _run_reasons()


def _run_reasons() -> None:
    import numpy as np

    from kuntur.reasons import largest_gap, read_explanation, smallest_explanations, write_explanation

    row, margin = np.zeros((1, 1), dtype=np.float32), np.zeros(1, dtype=np.float32)
    for explanation in smallest_explanations():
        largest_gap(read_explanation(write_explanation(explanation), 1), row, margin)
