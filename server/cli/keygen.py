"""`kuntur-server journal keygen`: the keys that sign a journal's checkpoints, and those of its witnesses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_NOT_CARRIED_OUT = 2


def make_key(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Whose key it is, best a URL without its scheme: bank.example/journal. For a journal it is "
            "the origin of the log, the same in all its keys.",
        ),
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="New file of the key, NAME.key in the folder of keys; mode 0600."
        ),
    ],
    witness: Annotated[
        bool, typer.Option("--witness", help="A key that cosigns, for `kuntur-server witness`.")
    ] = False,
) -> None:
    """Makes an Ed25519 key that signs checkpoints, and prints the key that verifies them.

    The printed line, NAME+ID+KEY, is public: give it to whoever is to check
    the journal, on a way that you trust. The file is a secret, and lost keys
    cannot be made again.

    To rotate keys, make a second one with the same NAME in the same folder:
    both sign from then on. Give its line to those who check, then remove the
    file of the first.

    Exit codes: 0 made; 2 not carried out (a file that is there already, a
    NAME with blanks or +).

    Example: kuntur-server journal keygen bank.example/journal keys/2026.key
    """
    from kuntur.transparency.errors import NoteError
    from kuntur.transparency.notes.key_files import ENDING, write_key
    from kuntur.transparency.notes.keys import KeyKind, SigningKey

    try:
        if file.suffix != ENDING:
            raise _refused(f"{file}: the file of a key ends in {ENDING}, else nothing reads it")
        key = SigningKey.generate(name, KeyKind.WITNESS if witness else KeyKind.LOG)
        write_key(file, key)
    except (OSError, NoteError) as error:
        raise _refused(str(error)) from error
    typer.echo(str(key.verifier))


def _refused(message: str) -> typer.Exit:
    sys.stderr.write(f"kuntur-server: {message.rstrip()}\n")
    return typer.Exit(_NOT_CARRIED_OUT)
