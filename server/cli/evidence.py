"""`kuntur-server evidence`: all that there is about one decision, in files for whoever has to judge it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.progress import ProgressLine
from server.cli.verifier_keys import verifier_keys

if TYPE_CHECKING:
    from server.settings.config import ServerSettings

_DIFFERS, _NOT_CARRIED_OUT = 1, 2


def make_evidence(
    institution: Annotated[
        str, typer.Argument(metavar="INSTITUTION", help='The institution, as it was sent; "" for none.')
    ],
    transaction: Annotated[str, typer.Argument(metavar="TRANSACTION", help="The transaction's id.")],
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="DIR", help="The journal, in place of journal.path.")
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option("--registry", metavar="DIR", help="Directory of bundles, in place of registry_path."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            envvar="KUNTUR_SERVER_CONFIG",
            metavar="FILE",
            help="The settings of the server that answered: its history, institution and keys.",
        ),
    ] = None,
    tree: Annotated[
        Path | None,
        typer.Option("--tree", metavar="DIR", help="Folder of the log, by default `log` in the journal."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="LINE|FILE",
            help="Verifier key of the journal, or a file of them, to check the checkpoint with at once.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go.")] = Path(),
    without_rebuild: Annotated[
        bool,
        typer.Option("--without-rebuild", help="Replay and score nothing: no model is needed then."),
    ] = False,
    from_snapshot: Annotated[
        bool,
        typer.Option(
            "--from-snapshot",
            help="Replay from the newest snapshot beside the journal, which is quicker: what it has is taken "
            "as it is. Done in any case where the beginning of the journal is gone.",
        ),
    ] = False,
) -> None:
    """Writes evidence of one decision: a JSON file, and the same as a page to read.

    They have the request as it came, when and by whom it was asked, the
    answer, every feature as it was at that moment, score and reasons rebuilt
    by replay and compared bit for bit, the model and its hashes, outcomes
    reported since, and the journal's entries with their proofs, where the
    journal is signed. verify_evidence.py, put beside them, checks the proofs
    without Kuntur.

    The journal is read twice, up to the answer the second time; progress is
    on standard error. Nothing is changed; also beside a running server. A
    transaction that came again has its first answer.

    The files are personal data, also of others: an entry of the journal holds
    all transactions that came together. They are for their owner alone.

    Exit codes: 0 written, and the rebuilt answer is the one that was given;
    1 written, and it differs; 2 not carried out (no such transaction, a model
    that is not in the registry any more, a damaged journal, settings that do
    not fit), with what to do.

    Example: kuntur-server evidence banco-andino t-1 --config server.toml --out evidence
    """
    from kuntur.transparency.errors import NoteError
    from server.evidence import EvidenceError, Wanted, collect, write_files
    from server.telemetry.logs import configure_logs

    configure_logs("warning", "console")
    settings, progress = _settings(config, journal, registry), ProgressLine()

    def tell(doing: str, done: int, total: int) -> None:
        progress.show(done, total, lambda share: f"{doing}: {share:.0%}", doing)

    try:
        verifiers = verifier_keys(key or (), "--key")
        wanted = Wanted(
            institution, transaction, tree, verifiers, not without_rebuild, from_snapshot=from_snapshot
        )
        evidence = collect(settings, wanted, tell)
        progress.clear()
        written = write_files(evidence, out)
    except (EvidenceError, NoteError) as error:
        progress.clear()
        raise _refused(str(error)) from error
    except OSError as error:
        progress.clear()
        raise _refused(f"{error.filename or out}: {error.strerror or error}") from error
    for line in (*evidence.summary, *map(str, written)):
        typer.echo(line)
    if evidence.rebuilt.equal is False:
        raise typer.Exit(_DIFFERS)


def _settings(config: Path | None, journal: Path | None, registry: Path | None) -> ServerSettings:
    from server.settings.config import ConfigError, load_settings

    overrides: dict[str, Any] = {} if registry is None else {"registry_path": registry}
    if journal is not None:
        overrides["journal"] = {"path": journal}
    try:
        return load_settings(config, overrides)
    except ConfigError as error:
        raise _refused(str(error)) from error


def _refused(message: str) -> typer.Exit:
    sys.stderr.write(f"kuntur-server: {message.rstrip()}\n")
    return typer.Exit(_NOT_CARRIED_OUT)
