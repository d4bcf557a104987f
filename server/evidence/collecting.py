"""Puts evidence together: what the journal says, the history and score rebuilt, and the proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kuntur.journal.errors import JournalError
from kuntur.journal.sealing import KeyRing
from kuntur.transparency.notes.keys import VerifierKey
from server.evidence import document, messages
from server.evidence.document import Evidence, Rebuilt
from server.evidence.errors import EvidenceError
from server.evidence.modelling import Loaded, load_answering
from server.evidence.parts import again_part, answered_part, asked_part, holds, outcome_part, roles, summary
from server.evidence.proving import prove_entries
from server.evidence.rebuilding import Restored, compared, features_of, restore, score_again
from server.evidence.search import Found, Given, Tell, search
from server.journal.encryption import keys_of
from server.settings.config import ServerSettings

_LOG = "log"
_NOT_ASKED = "It was not rebuilt, as --without-rebuild asked for."


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which evidence is wanted.

    tree: folder of the log, by default that of the settings, or `log` in the journal, if it is there;
    verifiers: keys to check its checkpoint with; rebuild: whether the answer is rebuilt; from_snapshot:
    whether by a snapshot, as it is anyway where the journal's beginning is gone.
    """

    institution_id: str
    transaction_id: str
    tree: Path | None = None
    verifiers: Sequence[VerifierKey] = ()
    rebuild: bool = True
    from_snapshot: bool = False


def collect(
    settings: ServerSettings, wanted: Wanted, tell: Tell = lambda _what, _done, _total: None
) -> Evidence:
    """Returns the evidence of one transaction, from the journal and registry that the settings name.

    Nothing is changed; also beside a running server. tell: called with the progress. Raises EvidenceError.
    """
    directory = settings.journal.path
    if directory is None:
        raise EvidenceError("there is no journal to look in: name it with --journal, or set journal.path")
    try:
        keys = keys_of(settings.journal)
        found = search(directory, wanted.institution_id, wanted.transaction_id, keys, tell)
        return _collected(settings, directory, keys, wanted, found, tell)
    except JournalError as error:
        raise EvidenceError(f"the journal cannot be read: {error}") from error
    except OSError as error:
        raise EvidenceError(f"{error.filename or directory}: {error.strerror or error}") from error


def _collected(
    settings: ServerSettings, directory: Path, keys: KeyRing | None, wanted: Wanted, found: Found, tell: Tell
) -> Evidence:
    asked, given = found.entered(), found.answer
    loaded, restored = None, None
    if wanted.rebuild:
        loaded = None if given is None else load_answering(settings, given.score.model_version)
        sequence, place = (asked.sequence, asked.place) if given is None else (given.admission, given.place)
        from_snapshot = wanted.from_snapshot or found.first > 1
        restored = restore(directory, settings, sequence, place, keys, tell, from_snapshot=from_snapshot)
    rebuilt = _rebuilt(settings, given, loaded, restored, _caveats(settings, found, restored))
    default = settings.journal.signing.log or directory / _LOG
    proved = prove_entries(
        directory,
        roles(asked, given),
        holds(asked, given),
        wanted.tree or (default if default.is_dir() else None),
        wanted.verifiers,
        keys,
    )
    return Evidence(
        institution_id=wanted.institution_id,
        transaction_id=wanted.transaction_id,
        made_time=messages.now(),
        made_by=_program(),
        summary=(*summary(asked, given), rebuilt.told, proved.told),
        request=asked_part(asked),
        answer=None if given is None else answered_part(given),
        again=tuple(again_part(each, asked, found) for each in found.asked if each is not asked),
        model=None if loaded is None else loaded.told,
        features=() if restored is None else features_of(restored, None if loaded is None else loaded.live),
        rebuilt=rebuilt,
        outcomes=tuple(map(outcome_part, found.outcomes)),
        proof=proved.told,
        checkpoint=proved.checkpoint,
        entries=proved.entries,
    )


def _rebuilt(
    settings: ServerSettings,
    given: Given | None,
    loaded: Loaded | None,
    restored: Restored | None,
    caveats: tuple[str, ...],
) -> Rebuilt:
    if given is None or loaded is None or restored is None:
        told = "There is no answer to rebuild." if given is None else _NOT_ASKED
        return Rebuilt(
            equal=None, told=told, fraud_probability=None, decision=None, reasons=(), differences=(),
            caveats=caveats, entries=0 if restored is None else restored.entries,
        )  # fmt: skip
    scores = score_again(restored, loaded.live, given.score, settings.reasons.per_transaction)
    row = restored.row
    reasons, differences = compared(given.score, scores, row, given.response_bytes)
    return Rebuilt(
        equal=not differences,
        told=_told(differences, restored),
        fraud_probability=None if row in scores.invalid else float(scores.probability[row]),
        decision=messages.decision_name(int(scores.decision[row])),
        reasons=reasons,
        differences=differences,
        caveats=caveats,
        entries=restored.entries,
    )


def _told(differences: Sequence[document.Difference], restored: Restored) -> str:
    if not differences:
        snapshot = f"a snapshot up to entry {restored.behind:,}, " if restored.behind else ""
        return (
            f"Rebuilt from {snapshot}the {restored.entries:,} entries of the journal before it and the "
            "model's bundle, score, decision and reasons are those that were answered, bit for bit."
        )
    fields = ", ".join(each.what for each in differences[:5])
    more = f" and {len(differences) - 5:,} more" if len(differences) > 5 else ""
    return (
        f"REBUILT, THE ANSWER DIFFERS in {fields}{more}. Either the settings are not those of the server "
        "that answered (--config: history, institution, reasons), or its history had something that the "
        "journal has not, or journal or bundle were changed."
    )


def _caveats(settings: ServerSettings, found: Found, restored: Restored | None) -> tuple[str, ...]:
    caveats = list(found.losses)
    behind = 0 if restored is None else restored.behind
    if behind:
        caveats.append(
            f"It was begun with the server's snapshot of the history up to entry {behind:,}: what that has "
            "was not counted again."
        )
    elif found.first > 1:
        caveats.append(
            f"The journal begins with entry {found.first:,}: what was counted by earlier ones is not in the "
            "history that was rebuilt."
        )
    if settings.history.store == "redis":
        caveats.append(
            "The history was shared over Redis: what other servers counted is not in this journal."
        )
    return tuple(caveats)


def _program() -> str:
    try:
        return f"kuntur-server {version('kuntur')}"
    except PackageNotFoundError:  # an image has the code without the distribution
        return "kuntur-server"
