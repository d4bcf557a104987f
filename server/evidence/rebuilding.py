"""Rebuilds a score: the history at the request by replay, then the model and reasons as a server has them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kuntur.features import CATALOGUE, FeatureMatrix
from kuntur.journal.sealing import KeyRing
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.workers import read_server_journal
from kuntur.scores import Reason, Scores
from kuntur.transaction import ATTRIBUTE_PREFIX
from kuntur.wire import Reading
from server.evidence import document
from server.evidence.document import Difference, Feature
from server.evidence.errors import EvidenceError
from server.evidence.messages import Score, decision_name
from server.evidence.search import Tell
from server.models.live import LiveModel, LiveSlot
from server.scoring import AttributeCensus, AttributeRules, InvalidValues, ReasonGiver, Scorer
from server.settings.config import ServerSettings
from server.state.histories import open_apart
from server.state.replay import ReplayError

_LARGE_BYTES = 3 << 20  # a response so large may have been kept below 4 MiB by fewer reasons
_NO_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Restored:
    """An admission that entered a history again.

    row: that of the transaction; entries: those before it that were replayed; behind: sequence of the last
    entry in the snapshot that these followed, 0 where there was none.
    """

    reading: Reading
    matrix: FeatureMatrix
    row: int
    entries: int
    behind: int


def restore(
    directory: Path,
    settings: ServerSettings,
    sequence: int,
    place: int,
    keys: KeyRing | None,
    tell: Tell,
    *,
    from_snapshot: bool = False,
) -> Restored:
    """Returns what a transaction was scored from: that at a place of the admission with a sequence.

    from_snapshot: whether the history may begin with a snapshot beside the journal. Raises EvidenceError,
    JournalError, OSError.
    """
    wanted: journal_pb2.Entry | None = None
    entered = 0

    def before(first: int) -> Iterator[journal_pb2.Entry]:
        nonlocal wanted, entered
        for entry in read_server_journal(directory, first=first, allow_torn_tail=True, keys=keys):
            if entry.sequence == sequence and entry.HasField("admission"):
                wanted = entry
                return
            entered += 1
            tell("replaying the history", entry.sequence - first, sequence - first)
            yield entry

    try:
        with open_apart(settings, directory, sequence, from_snapshot=from_snapshot) as history:
            behind = history.contains
            history.enter(before(behind + 1))
            if wanted is None:
                raise EvidenceError(f"entry {sequence:,} was removed while the journal was read: begin again")
            reading, matrix = history.readmit(wanted)
    except ReplayError as error:
        raise EvidenceError(f"{error} (--config)") from error
    rows = np.flatnonzero(reading.places == place)
    if not len(rows):
        raise EvidenceError(
            f"entry {sequence:,} is read otherwise now than it was: use the release that wrote it"
        )
    return Restored(reading, matrix, int(rows[0]), entered, behind)


def features_of(restored: Restored, model: LiveModel | None) -> tuple[Feature, ...]:
    """Returns the values that a transaction had: all of the catalogue, then its attributes by name."""
    used = frozenset() if model is None else frozenset(model.manifest.feature_names)
    values = restored.matrix[restored.row].tolist()
    found = [
        Feature(
            name=each.name,
            value=_set(value),
            used=each.name in used,
            description=each.description,
            unit=each.unit,
        )
        for each, value in zip(CATALOGUE, values, strict=True)
    ]
    attributes = {
        f"{ATTRIBUTE_PREFIX}{name}": float(column[restored.row])
        for name, column in restored.reading.batch.attributes.items()
    }
    taken = {name for name in used if name.startswith(ATTRIBUTE_PREFIX)}
    for name in sorted(taken | {name for name, value in attributes.items() if _set(value) is not None}):
        plain = name.removeprefix(ATTRIBUTE_PREFIX)
        found.append(
            Feature(
                name=name,
                value=_set(attributes.get(name, float("nan"))),
                used=name in used,
                description=f"The institution's own value {plain}, from the request",
                unit="",
            )
        )
    return tuple(found)


def score_again(restored: Restored, model: LiveModel, answered: Score, per_transaction: int) -> Scores:
    """Scores a whole admission again, as its server did, with as many reasons as were answered.

    per_transaction: most reasons of a score, where the answer has none.
    """
    reviewed = any(not reason.feature for reason in answered.reasons)
    most = min(len(answered.reasons) or per_transaction, _NO_LIMIT)
    scorer = Scorer(
        LiveSlot(),
        ReasonGiver(most, lambda _rows, _seconds: None),
        InvalidValues(review=reviewed, count=lambda _count: None),
        AttributeCensus(),
        AttributeRules(refuse_unknown=False, refuse_missing=False),
    )
    return scorer.score(restored.reading, model, restored.matrix)


def compared(
    answered: Score, scores: Scores, row: int, response_bytes: int
) -> tuple[tuple[document.Reason, ...], tuple[Difference, ...]]:
    """Returns the reasons that are rebuilt, and what differs from the answer in any bit.

    response_bytes: of the entry with the answer, whose size may have left reasons out.
    """
    rebuilt = () if scores.reasons is None else tuple(scores.reasons.get(row, ()))
    found: list[Difference] = []

    def hold(what: str, one: object, other: object, *, equal: bool) -> None:
        if not equal:
            found.append(Difference(what=what, answered=str(one), rebuilt=str(other)))

    if row in scores.invalid:
        hold("fraud_probability", answered.fraud_probability, "the model gives no valid score", equal=False)
    else:
        probability = float(scores.probability[row])
        hold(
            "fraud_probability", repr(answered.fraud_probability), repr(probability),
            equal=_bits(answered.fraud_probability) == _bits(probability),
        )  # fmt: skip
    decision = int(scores.decision[row])
    hold(
        "decision",
        decision_name(answered.decision),
        decision_name(decision),
        equal=answered.decision == decision,
    )
    hold(
        "model_version", answered.model_version, scores.model_version,
        equal=answered.model_version == scores.model_version,
    )  # fmt: skip
    given = len(answered.reasons)
    if given != len(rebuilt) and not (given < len(rebuilt) and response_bytes >= _LARGE_BYTES):
        hold("number of reasons", given, len(rebuilt), equal=False)
    for number, (one, other) in enumerate(zip(answered.reasons, rebuilt, strict=False)):
        what = f"reasons[{number}]"
        hold(f"{what}.feature", one.feature, other.feature, equal=one.feature == other.feature)
        for name in ("value", "contribution"):
            mine, its = getattr(one, name), getattr(other, name)
            hold(f"{what}.{name}", repr(mine), repr(its), equal=_bits(mine) == _bits(its))
        hold(
            f"{what}.description", one.description, other.description,
            equal=one.description == other.description,
        )  # fmt: skip
    return tuple(map(plain_reason, rebuilt)), tuple(found)


def plain_reason(reason: Reason) -> document.Reason:
    """Returns a reason as evidence has it."""
    return document.Reason(
        feature=reason.feature,
        value=_set(reason.value),
        contribution=reason.contribution,
        description=reason.description,
    )


def _set(value: float) -> float | None:
    return None if value != value else float(value)  # noqa: PLR0124  # NaN


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)
