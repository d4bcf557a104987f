"""The options that commands share, and how a command opens its client and its files."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.access import Access
from clients.cli.faults import NOT_CARRIED_OUT, say
from clients.config import ClientConfig
from clients.sync.client import Client
from kuntur.files.paths import missing_files, missing_mapping

if TYPE_CHECKING:  # Polars is loaded by the commands that read files, and not for --help
    from kuntur.tables import Mapping, Table

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="CSV, Parquet or JSON-lines files, or globs in quotes."),
]
MappingName = Annotated[
    str,
    typer.Option(
        "--mapping",
        metavar="NAME_OR_PATH",
        help="How the files' columns become transactions: a shipped mapping or a TOML file.",
    ),
]
Rejects = Annotated[
    Path | None,
    typer.Option("--rejects", metavar="CSV", help="Where to write rows of the files that break the rules."),
]
Server = Annotated[
    str,
    typer.Option("--server", envvar="KUNTUR_SERVER", metavar="HOST:PORT", help="The server to speak to."),
]
TimeoutSeconds = Annotated[
    float,
    typer.Option("--timeout-seconds", min=0.001, help="Longest wait for the answer to one unary call."),
]
FrameTransactions = Annotated[
    int, typer.Option("--frame", min=1, help="Transactions in one message: 64 to 512 suit most.")
]


def open_client(server: str, timeout_seconds: float, access: Access) -> Client:
    """Returns a client for one command; calls that carry many outcomes may take ten times as long."""
    try:
        config = ClientConfig(
            server=server,
            timeout_seconds=timeout_seconds,
            bulk_timeout_seconds=10 * timeout_seconds,
            **asdict(access),
        )
        return Client(config=config)
    except ValueError as error:  # options that do not go together
        say(f"{error}.")
        raise typer.Exit(NOT_CARRIED_OUT) from error


def moment(text: str | None) -> datetime | None:
    """Reads an ISO date or time, with a zone if it names one. Raises typer.BadParameter."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not an ISO time; write 2026-07-01 or 2026-07-01T13:00:00-05:00"
        ) from error


def check_sources(files: list[str], mapping: str) -> None:
    """Refuses paths that name nothing, before anything heavy is loaded and any server asked."""
    for problem in (missing_files(files), missing_mapping(mapping)):
        if problem is not None:
            say(problem)
            raise typer.Exit(NOT_CARRIED_OUT)


def load_mapping(name_or_path: str) -> Mapping:
    """Loads a mapping. Raises MappingError."""
    from kuntur.tables import Mapping

    return Mapping.load(name_or_path).without_kinds()


def read_files(
    files: list[str], mapping: Mapping, rejects: Path | None, *, until: datetime | None = None
) -> Table:
    """Reads all rows before `until` as canonical columns, oldest first.

    Rows before the wanted span are read too: their outcomes may become known within it.
    """
    from kuntur.tables import read

    return read(files, mapping, reject_path=rejects, until=until)


def check_output(path: Path | None) -> None:
    """Refuses, before any work, a file that could not be written in the end."""
    if path is None:
        return
    if path.suffix not in (".parquet", ".csv", ".jsonl"):
        raise typer.BadParameter(f"{path}: end its name in .parquet, .csv or .jsonl")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"{path}: the folder {path.parent} is not there")
