"""`kuntur-server journal verify`: whether a journal is what was signed, for whoever has the verifier key."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.progress import ProgressLine
from server.cli.verifier_keys import verifier_keys

if TYPE_CHECKING:
    from kuntur.journal.proved.findings import Report

_WRONG, _NOT_CARRIED_OUT = 1, 2
_LOG = "log"


def verify_journal(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The journal: files journal-*.kj.")],
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="LINE|FILE",
            help="Verifier key of the journal, or a file of them, one a line; one of them must have signed.",
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="A checkpoint, or a folder of them, beside the one in the tree's folder.",
        ),
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(
            "--witness", metavar="LINE|FILE", help="Key of a witness, who must have cosigned a checkpoint."
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="DIR", help="Folder of the tree, by default `log` in the journal."),
    ] = None,
    journal_keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            metavar="DIR",
            envvar="KUNTUR_SERVER_JOURNAL__ENCRYPTION__KEYS",
            help="Folder of the keys of an encrypted journal, journal.encryption.keys.",
        ),
    ] = None,
    first: Annotated[
        int,
        typer.Option(
            "--from", metavar="N", min=1, help="Entry to begin with, where earlier ones were removed."
        ),
    ] = 1,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="Remembers how far it came, and goes on from there. What is in front is not read again.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as one JSON object.")] = False,
) -> None:
    """Checks that a journal is what was signed, and names the first entry that is not.

    Every record is read: its form, its checksum, its sequence, and its hash
    in the tree. The tree is held against its tiles and against every
    checkpoint, in all places, and those against the keys of the journal and
    of witnesses. Nothing else of the server is needed, and nothing is changed;
    also beside a running server.

    Checkpoints of a place that the journal's folder was not put back with find
    what was cut off. Without the tree's folder it is told that something is
    wrong, but not which entry. Progress is on standard error.

    A file of --state is believed as to what was read before: keep it where the
    operator of the journal cannot write, and remove it to read all again.

    Exit codes: 0 the journal is what was signed (entries behind the newest
    checkpoint are told); 1 something is wrong, and said; 2 not carried out: no
    key, no checkpoint, a file that cannot be read, whose key of encryption is
    missing, or that is of a later version.

    Example: kuntur-server journal verify journal --key bank.txt --checkpoint /mnt/second
    """
    from kuntur.journal.errors import JournalError
    from kuntur.journal.proved.verifying import NotVerifiableError, Request, verify
    from kuntur.journal.sealing import KeyRing
    from kuntur.transparency.errors import NoteError

    began, progress = time.monotonic(), ProgressLine()

    def read(done: int, total: int) -> None:
        progress.show(done, total, lambda share: f"{share:.0%} of {total / 1e6:,.0f} MB")

    if not key:
        raise _refused(
            "no verifier key: name one with --key, the line that `kuntur-server journal keygen` printed"
        )
    if not directory.is_dir():
        raise _refused(f"{directory}: there is no such directory")
    tree = log or directory / _LOG
    try:
        report = verify(
            Request(
                directory=directory,
                keys=verifier_keys(key, "--key"),
                log=tree if log is not None or tree.is_dir() else None,
                checkpoints=checkpoint or (),
                witnesses=verifier_keys(witness or (), "--witness"),
                journal_keys=None if journal_keys is None else KeyRing.read(journal_keys),
                first=first,
                state=state,
                read=read,
            )
        )
    except (NotVerifiableError, NoteError, JournalError, OSError) as error:
        progress.clear()
        raise _refused(str(error)) from error
    progress.clear()
    if as_json:
        typer.echo(json.dumps(report.plain()))
    else:
        for line in _lines(report, time.monotonic() - began):
            typer.echo(line)
    if not report.holds:
        raise typer.Exit(_WRONG)


def _lines(report: Report, seconds: float) -> Iterable[str]:
    """Yields what was found, for people."""
    yield from (each.told() for each in report.checkpoints)
    yield from report.notes
    yield from (f"WRONG: {each.told()}" for each in report.findings)
    count = max(0, report.last - report.first + 1)
    rate = report.bytes / max(seconds, 1e-9) / 1e6
    yield f"{count:,} entries, {report.bytes:,} bytes read in {seconds:,.1f} s ({rate:,.0f} MB/s)"
    if report.holds:
        last = min(report.signed, report.last)
        yield f"The journal is what was signed: entries {report.first:,} to {last:,}."
    else:
        yield "The journal is NOT what was signed."


def _refused(message: str) -> typer.Exit:
    sys.stderr.write(f"kuntur-server: {message.rstrip()}\n")
    return typer.Exit(_NOT_CARRIED_OUT)
