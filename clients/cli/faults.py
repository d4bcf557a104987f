"""Turns what keeps a command from being carried out into one sentence and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from clients.errors import (
    AccessDenied,
    DeadlineExceeded,
    FrameSizeRefused,
    HistoryUnavailable,
    JournalUnavailable,
    KunturError,
    NoLiveModel,
    Overloaded,
    ServerFault,
    ShuttingDown,
    StreamExpired,
    Unavailable,
)

NOT_CARRIED_OUT = 2


@contextmanager
def told(server: str) -> Iterator[None]:
    """Ends the command with exit code 2 and a sentence when it cannot be carried out."""
    from kuntur.tables import MappingError, SourceError, TooManyRejects

    try:
        yield
    except KunturError as error:
        say(sentence(error, server))
    except (MappingError, SourceError, TooManyRejects) as error:
        say(str(error))
    except OSError as error:
        say(f"{error.filename or 'A file'}: {error.strerror or error}")
    else:
        return
    raise typer.Exit(NOT_CARRIED_OUT)


def say(text: str) -> None:
    """Prints a fault beside the output, never into it."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"[bold red]kuntur:[/bold red] {_plain(text)}"
    )


def sentence(error: KunturError, server: str) -> str:
    """Says what is the matter and what to do next."""
    after = error.retry_after_seconds
    again = f"try again in {after:g} s" if after else "try again in a moment"
    match error:
        case NoLiveModel():
            return f"The server at {server} has no live model: publish one to its registry, then {again}."
        case ShuttingDown():
            return f"The server at {server} is shutting down: name another with --server, or {again}."
        case HistoryUnavailable():
            return f"The server at {server} has lost the history that servers share: {again}."
        case JournalUnavailable():
            return f"The server at {server} cannot write its journal (its log says why): {again}."
        case StreamExpired():
            return (
                f"The server at {server} ended the stream, as it had lasted its time: run the command again."
            )
        case Unavailable():
            return (
                f"No server answers at {server}: start one, or name another with --server or "
                f"KUNTUR_SERVER ({error})."
            )
        case Overloaded():
            return f"The server at {server} takes no more for now: {again} ({error})."
        case DeadlineExceeded():
            return f"The server at {server} gave no answer in time: raise --timeout-seconds, or {again}."
        case FrameSizeRefused():
            return f"The server takes at most {error.maximum or 'fewer'} transactions a frame: lower --frame."
        case AccessDenied():
            return f"The server at {server} does not let you do this: {error}."
        case ServerFault():
            incident = f"; its log has the cause under {error.incident_id}" if error.incident_id else ""
            return f"The server at {server} failed: {error}{incident}."
        case _:
            return f"The server at {server} refused: {error} ({error.reason})."


def _plain(text: str) -> str:
    """Keeps brackets of a message from being read as markup."""
    return text.replace("[", r"\[")
