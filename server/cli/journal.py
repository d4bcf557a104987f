"""`kuntur-server journal repair`: makes a damaged journal whole and reports what is lost."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kuntur.journal.repair import Fault, Findings

_DAMAGED, _NOT_CARRIED_OUT = 1, 2

journal_app = typer.Typer(
    name="journal",
    no_args_is_help=True,
    help="Checks and repairs a journal, the record of what was asked and answered.",
)


@journal_app.callback()
def _journal() -> None:
    """Checks and repairs a journal, the record of what was asked and answered."""


@journal_app.command("repair")
def repair_journal(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The journal's directory, as given to `serve --journal`.")
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Only tell what a repair would do; also beside a running server."),
    ] = False,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            metavar="DIR",
            envvar="KUNTUR_SERVER_JOURNAL__ENCRYPTION__KEYS",
            help="Folder of the keys of an encrypted journal, journal.encryption.keys.",
        ),
    ] = None,
) -> None:
    """Makes a damaged journal whole again and says what is lost.

    A server does not start on a journal with damage in front of valid
    entries, and the trainer does not read it. The repair keeps every valid
    entry as it is, in all files of the server and its workers. Damaged bytes
    move to files beside the journal's, NAME.damaged-at-OFFSET, and are never
    deleted; entries that are gone are counted in the journal, so that
    readers know of them. A second repair finds nothing to do. The server has
    to be stopped.

    A torn tail, which a crash within a write leaves at the end, needs no
    repair: the server sets it aside when it starts.

    Exit codes: 0 the journal is whole, or was made so; 1 (--check) it needs
    a repair; 2 not carried out (no journal, a server that writes it, a file
    that cannot be read, whose key is missing or that is of a later version).

    Example: kuntur-server journal repair journal --check
    """
    from kuntur.journal.file import JournalError
    from kuntur.journal.repair import examine, repair
    from kuntur.journal.sealing import KeyRing
    from kuntur.journal.workers import journal_parts

    try:
        parts = journal_parts(directory)
        if not parts:
            raise _refused(f"{directory}: there is no journal here: no file journal-*.kj, nor worker-*/")
        ring = None if keys is None else KeyRing.read(keys)
        with nullcontext() if check else _no_writers(directory, parts):
            found = [examine(part, ring) for part in parts]  # all of them, before any is changed
            for place, part in enumerate(parts):
                if not check:
                    found[place] = repair(part, ring)
                for line in _faults(found[place]):
                    typer.echo(line)
    except (OSError, JournalError) as error:
        raise _refused(str(error)) from error
    for line in _summary(found, check=check):
        typer.echo(line)
    if check and not all(part.whole for part in found):
        raise typer.Exit(_DAMAGED)


@contextmanager
def _no_writers(directory: Path, parts: Sequence[Path]) -> Iterator[None]:
    """Holds the locks of all writers of a server's journal. Raises OSError."""
    from kuntur.journal.lock import JournalLock

    with ExitStack() as held:
        for part in dict.fromkeys((directory, *parts)):
            try:
                held.callback(JournalLock(part).close)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                message = "a server writes this journal: stop it first, or look with --check"
                raise OSError(errno.EBUSY, message, str(part)) from error
        yield


def _faults(part: Findings) -> Iterator[str]:
    yield f"{part.directory}: {_count(part.files, 'file')}, {_entries(part.entries)}"
    for fault in part.faults:
        yield f"  {_told(fault)}"
        if fault.aside is not None:
            yield f"    set aside in {fault.aside.name}"


def _summary(found: Sequence[Findings], *, check: bool) -> Iterator[str]:
    """Yields what all that was found comes to."""
    before = sum(part.lost_before for part in found)
    if before:
        yield f"Earlier repairs went on without {_entries(before)}."
    if not any(part.faults for part in found):
        yield "The journal is whole: nothing to repair."
        return
    entries, lost = sum(part.entries for part in found), sum(part.lost for part in found)
    size = sum(part.damaged_bytes for part in found)
    torn = any(fault.torn for part in found for fault in part.faults)
    unknown = ", beside what the torn tail held" if torn else ""
    if check:
        yield f"A repair keeps {_entries(entries)} and sets {size:,} bytes aside; {lost:,} lost{unknown}."
        if all(part.whole for part in found):
            yield "None is needed: a server sets a torn tail aside when it starts, or is just writing it."
    else:
        yield f"{_entries(entries)} kept, {lost:,} lost{unknown}, {size:,} bytes set aside."
        yield "The journal is whole."


def _told(fault: Fault) -> str:
    where = f"{fault.path.name}, bytes {fault.offset:,} to {fault.end:,}"
    if fault.offset == fault.end:
        where = f"{fault.path.name}, byte {fault.offset:,}"
    parts = [f"{where}: {fault.cause}"]
    if fault.torn:
        parts.append("a torn tail: no valid record follows")
    if fault.misplaced:
        parts.append(f"valid there but of another place: {_count(fault.misplaced, 'record')}")
    if fault.lost is not None:
        first, last = fault.lost
        parts.append(
            f"entry {first:,} is lost" if first == last else f"entries {first:,} to {last:,} are lost"
        )
    elif not fault.torn:
        parts.append("no entry is lost")
    return "; ".join(parts)


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _refused(message: str) -> typer.Exit:
    sys.stderr.write(f"kuntur-server: {message.rstrip()}\n")
    return typer.Exit(_NOT_CARRIED_OUT)
