"""What keeps a command from being carried out, as one sentence and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

NOTHING_PUBLISHED, NOT_CARRIED_OUT, INTERRUPTED = 1, 2, 130
console = Console(stderr=True)


def fault(message: str) -> typer.Exit:
    """Says what is wrong; returns the exit to raise."""
    # Not wrapped here: a name that is cut in two can neither be read nor copied.
    console.print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)
    return typer.Exit(NOT_CARRIED_OUT)


@contextmanager
def told(*more: type[Exception]) -> Iterator[None]:
    """Ends a command that cannot be carried out with a sentence and exit code 2; more: errors of its own."""
    from polars.exceptions import PolarsError

    from kuntur.tables import MappingError, SourceError, TooManyRejects

    expected: tuple[type[Exception], ...] = (SourceError, MappingError, TooManyRejects, PolarsError, OSError)
    try:
        yield
    except expected + more as error:
        raise fault(str(error)) from error


@contextmanager
def training() -> Iterator[None]:
    """Ends a training run with a sentence.

    Exit code 1: no model passed; 2: not carried out, for what it was given; 130: interrupted.
    """
    from kuntur.bundle.signing import KeyFileError
    from kuntur.journal.file import JournalError
    from trainer.backtest.unrecognised import UnknownKindError
    from trainer.checks import DataCheckError
    from trainer.cluster.connection import ClusterError
    from trainer.export import ParityError
    from trainer.fitting.fit import TooFewFraudsError
    from trainer.leakage import LeakageError
    from trainer.models.recipe import RecipeError
    from trainer.search.run import SearchFailedError
    from trainer.sources.postgres import PostgresError
    from trainer.sources.split import TooLittleHistoryError
    from trainer.tracking import TrackingError

    of_the_trainer = (
        TooLittleHistoryError, TooFewFraudsError, DataCheckError, LeakageError, JournalError, RecipeError,
        KeyFileError, UnknownKindError,
    )  # fmt: skip
    try:
        with told(*of_the_trainer, ClusterError, PostgresError, TrackingError):
            yield
    except (SearchFailedError, ParityError) as error:
        console.print(
            f"[red]nothing was published:[/red] {escape(str(error))}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(NOTHING_PUBLISHED) from error
    except KeyboardInterrupt as error:
        console.print("interrupted; start again with the same --work to go on")
        raise typer.Exit(INTERRUPTED) from error


def require_parquet(path: Path) -> None:
    """Ends a command, before any work, that would write Parquet under another suffix."""
    if path.suffix != ".parquet":
        raise fault(f"{path}: what is written is Parquet; end its name in .parquet")
