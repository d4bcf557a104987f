"""The check before anything is learnt: columns that give the label away stop the run, by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.features import FEATURE_NAMES
from kuntur.tables import Table
from kuntur.transaction import ATTRIBUTE_PREFIX
from trainer.dataset.training_set import Dataset
from trainer.leakage.association import OWN, Question, distances, questions
from trainer.leakage.causality import Causality, check_causality
from trainer.settings.judging import LeakageSettings
from trainer.sources.split import iso

_SEED = 11
_PRESENCE_FRAUDS, _PRESENCE_SHARE, _PRESENCE_OTHERS = 20, 0.05, 1_000


class LeakageError(ValueError):
    """Columns tell what was not known when the decision was due."""


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """What one column tells.

    own: distance for the label of its own row, 0 to 1, None when there are too few frauds; neighbour: the
    neighbour for whose label it comes nearest to the limit, empty without one, at neighbour_distance; leaks:
    why it may not be used, empty when it may; accepted: whether the settings let it pass all the same.
    """

    name: str
    own: float | None
    neighbour: str
    neighbour_distance: float | None
    leaks: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """What the check looked at. questions: how many labels each column was asked about."""

    columns: tuple[ColumnFinding, ...]
    questions: int
    causality: Causality
    text: str

    def document(self) -> dict[str, Any]:
        """Returns it ready for JSON, the columns that tell most first."""
        ranked = sorted(self.columns, key=lambda found: -max(found.own or 0, found.neighbour_distance or 0))
        return {
            "text": self.text,
            "questions": self.questions,
            "columns": [asdict(found) for found in ranked],
            "causality": {
                "rows": self.causality.rows,
                "until_time": iso(self.causality.until_us),
                "differing": self.causality.differing,
            },
        }


def check(
    table: Table,
    secret: npt.NDArray[np.uint64],
    dataset: Dataset,
    training: npt.NDArray[np.int64],
    settings: LeakageSettings,
) -> LeakageReport:
    """Looks at every column of the data set on the rows that are learnt from.

    training: int64, their numbers. A column of the catalogue leaks when it changes with the future. An
    attribute, for which that cannot be looked at, leaks when it alone parts fraud from the rest (own_limit),
    when it does so for the fraud of a neighbouring row that was not reported yet (neighbour_limit), or when
    it is set on frauds and never else or the other way round. A neighbour that came before has the own row's
    limit. Raises LeakageError with all of them, unless `accept` names them.
    """
    asked = questions(dataset, training, _SEED)
    causality = check_causality(table, dataset, secret)
    told_early = dataset.outcomes.reported_time_us < dataset.event_time_us[dataset.outcomes.row]
    # Where a label was reported before its own transaction, a replay sees it with and without the future.
    replayable = causality.rows > 0 and not told_early.any()
    found = distances(dataset.features, asked)
    columns = tuple(
        _column(dataset, place, training, asked, found[place], causality, settings, replayable=replayable)
        for place in range(len(dataset.names))
    )
    leaking = [found for found in columns if found.leaks and not found.accepted]
    if leaking:
        raise LeakageError(_message(leaking))
    return LeakageReport(columns, len(asked), causality, _text(columns, asked, causality))


def _column(
    dataset: Dataset,
    place: int,
    training: npt.NDArray[np.int64],
    asked: list[Question],
    found: npt.NDArray[np.float64],
    causality: Causality,
    settings: LeakageSettings,
    *,
    replayable: bool,
) -> ColumnFinding:
    name = dataset.names[place]
    # What the engine computed without the future to the same bits tells nothing of it, however well it parts
    # fraud from the rest: a burst of frauds may do that honestly.
    proved = replayable and name in FEATURE_NAMES and name not in causality.differing
    own, neighbour, neighbour_distance, reasons = None, "", None, []
    if name in causality.differing:
        reasons.append(
            f"{causality.differing[name]:,} of {causality.rows:,} values before {iso(causality.until_us)} "
            "change when what came later is hidden: it looks into the future"
        )
    if asked and asked[0].name == OWN:
        own = float(found[0])
        if own > settings.own_limit and not proved:
            reasons.append(
                f"alone it parts fraud from the rest (distance {own:.3f}, limit {settings.own_limit:g})"
            )
    beside = [
        (float(distance), _limit(question, settings), question.name)
        for question, distance in zip(asked, found, strict=True)
        if question.name != OWN
    ]
    if beside:
        neighbour_distance, limit, neighbour = max(beside, key=lambda asked_of: asked_of[0] - asked_of[1])
        if neighbour_distance > limit and neighbour_distance > (own or 0) and not proved:
            reasons.append(
                f"it tells the unreported fraud of {neighbour} (distance {neighbour_distance:.3f}, limit "
                f"{limit:g})"
            )
    if name.startswith(ATTRIBUTE_PREFIX):
        values = dataset.features.take(training).only(np.array([place])).load()[:, 0]
        reasons += _presence(values, dataset.is_fraud[training])
    return ColumnFinding(
        name, own, neighbour, neighbour_distance, "; ".join(reasons), name in settings.accept
    )


def _limit(question: Question, settings: LeakageSettings) -> float:
    # A row may well show that the one before it, seen and not yet reported, was fraud: a burst does. What
    # comes after it shows itself far less.
    return settings.neighbour_limit if question.shift > 0 else settings.own_limit


def _presence(values: npt.NDArray[np.float32], fraud: npt.NDArray[np.bool_]) -> list[str]:
    """Tells when whether a value is there depends on the label: it was filled in when the fraud was known."""
    unset = np.isnan(values)
    frauds, others = int(fraud.sum()), int((~fraud).sum())
    needed = max(_PRESENCE_FRAUDS, _PRESENCE_SHARE * frauds)
    for state, is_so in (("set", ~unset), ("unset", unset)):
        on_fraud = int((is_so & fraud).sum())
        if others >= _PRESENCE_OTHERS and on_fraud >= needed and not (is_so & ~fraud).any():
            return [f"it is {state} on {on_fraud:,} of {frauds:,} frauds and on no other of {others:,} rows"]
    return []


def _message(leaking: list[ColumnFinding]) -> str:
    lines = [f"  {found.name}: {found.leaks}" for found in leaking]
    names = ", ".join(f'"{found.name}"' for found in leaking)
    return (
        "columns that tell what was not known when the decision was due:\n"
        + "\n".join(lines)
        + "\nTake them out of the mapping. Where one is known at that moment all the same, let it pass, with "
        f"a trace in the bundle: leakage.accept = [{names}]"
    )


def _text(columns: tuple[ColumnFinding, ...], asked: list[Question], causality: Causality) -> str:
    parts = [
        f"{causality.rows:,} rows replayed without the future gave the same bits."
        if causality.rows
        else "There were too few rows to replay without the future."
    ]
    if asked and asked[0].name == OWN:
        strongest = max(columns, key=lambda found: found.own or 0.0)
        parts.append(
            f"Columns were asked for {len(asked)} labels, of their own row and of its neighbours; the one "
            f"that tells most of its own row is {strongest.name} with a distance of {strongest.own or 0:.2f}."
        )
    else:
        parts.append("There were too few frauds to judge columns by what they tell of the label.")
    parts += [
        f"Accepted by the settings: {found.name}, although {found.leaks}."
        for found in columns
        if found.accepted and found.leaks
    ]
    return " ".join(parts)
