"""`kuntur-server journal newkey`: the keys that a journal is encrypted with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_NOT_CARRIED_OUT = 2


def make_journal_key(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="New file of the key, NAME.key in the folder of keys; mode 0600."
        ),
    ],
) -> None:
    """Makes a key that the journal's files are encrypted with, and prints its identity.

    The server writes new files with the last key by name of the folder in
    journal.encryption.keys (unless journal.encryption.writes_with names
    another), from its next start on. Files that are there stay as they are:
    keep the keys that they name. Without its key a file cannot be read by
    anybody, so keep a copy of each where the journal is not.

    Exit codes: 0 made; 2 not carried out (a file that is there already).

    Example: kuntur-server journal newkey journal-keys/2026-11.key
    """
    from kuntur.journal.sealing.keys import ENDING, write_new_key

    if file.suffix != ENDING:
        raise _refused(f"{file}: the file of a key ends in {ENDING}, else nothing reads it")
    try:
        key = write_new_key(file)
    except OSError as error:
        raise _refused(str(error)) from error
    typer.echo(key.identity.hex())


def _refused(message: str) -> typer.Exit:
    sys.stderr.write(f"kuntur-server: {message.rstrip()}\n")
    return typer.Exit(_NOT_CARRIED_OUT)
