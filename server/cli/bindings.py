"""`kuntur-server bindings`: whether a file of bindings is sound, and what it lets an identity do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_WRONG, _NOT_CARRIED_OUT = 1, 2


def check_bindings(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The bindings, as `access.bindings_path` names them.")
    ],
    identity: Annotated[
        str | None,
        typer.Argument(
            metavar="IDENTITY",
            help="Whom to tell of: spiffe://…, dn:… or token:…, as the security log names callers.",
        ),
    ] = None,
) -> None:
    """Checks a file of bindings before a server reads it, and tells what an identity may do.

    Exit codes: 0 the file is sound, and the identity is bound; 1 it has
    faults, each on a line, or the identity is bound to nothing; 2 it cannot
    be read.

    Example: kuntur-server bindings bindings.toml spiffe://banco-andino.pe/core/1
    """
    from server.access.bindings import BindingsError, read_bindings
    from server.access.tokens.key_sources import read_bounded

    try:
        bindings = read_bindings(read_bounded(file))
    except OSError as error:
        sys.stderr.write(f"kuntur-server: {file}: {error.strerror or error}\n")
        raise typer.Exit(_NOT_CARRIED_OUT) from error
    except BindingsError as error:
        sys.stdout.writelines(f"{file}: {line}\n" for line in str(error).splitlines())
        raise typer.Exit(_WRONG) from error
    if identity is None:
        sys.stdout.write(f"{file} is sound: {len(bindings)} identities and patterns are bound\n")
        return
    binding = bindings.of(identity)
    if binding is None:
        sys.stdout.write(f"{identity} is bound to nothing\n")
        raise typer.Exit(_WRONG)
    sys.stdout.write(f"{identity} has the roles {', '.join(sorted(binding.roles))}\n")
    if binding.institution_ids:
        own = ", ".join(map(repr, binding.institution_ids))
        own = "every institution" if binding.institutions is None else own
        sys.stdout.write(f"It acts for {own}\n")
    sys.stdout.writelines(f"It may call {method.removeprefix('/')}\n" for method in sorted(binding.methods))
