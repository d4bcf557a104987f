"""How well each column alone tells the label of its own row, and those of the rows beside it.

The measure is the distance of Kolmogorov and Smirnov between the column's values on fraud and on legitimate
transactions: 0 when they are alike, 1 when some threshold parts them wholly. It does not change when a
column is scaled, negated or moved, nor with how rare fraud is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.dataset.features import Features
from trainer.dataset.training_set import Dataset
from trainer.leakage.neighbours import SHIFTS, known_from_us, neighbourhoods

_FRAUDS = 1_000  # drawn at the most for each question
_OTHERS = 10_000
# Fewer frauds, or frauds of fewer accounts, part from the rest by chance or by who the account is.
_FEWEST_FRAUDS, _FEWEST_ACCOUNTS = 30, 10
OWN = "its own row"


@dataclass(frozen=True, slots=True)
class Question:
    """Whose label a column is asked about.

    name: in words; shift: places behind the row, 0 for its own; fraud, other: intp, rows whose answer is yes
    and no.
    """

    name: str
    shift: int
    fraud: npt.NDArray[np.intp]
    other: npt.NDArray[np.intp]


def questions(dataset: Dataset, training: npt.NDArray[np.int64], seed: int) -> list[Question]:
    """Returns the questions for which there are frauds enough; the one of the own row first when it is there.

    A neighbour's fraud counts only where it was not reported by the time of the row: what was known is no
    leak, and the label windows of the catalogue live on it.
    """
    chance = np.random.default_rng(seed)
    time_us, known_us, fraud = dataset.event_time_us, known_from_us(dataset), dataset.is_fraud
    rows = training.astype(np.intp)
    asked = [(OWN, 0, rows, rows)]
    for neighbourhood in neighbourhoods(dataset):
        for shift in SHIFTS:
            other = neighbourhood.neighbour(shift)[rows]
            has = other >= 0
            side = "next" if shift > 0 else "previous"
            name = f"the {_ordinal(abs(shift))}{side} row in the {neighbourhood.name}"
            asked.append((name, shift, rows[has], other[has]))
    found = []
    for name, shift, row, other in asked:
        yes = row[fraud[other] & ((shift == 0) | (known_us[other] > time_us[row]))]
        no = row[~fraud[other]]
        if len(no) and len(yes) >= _FEWEST_FRAUDS and _accounts(dataset, yes) >= _FEWEST_ACCOUNTS:
            found.append(Question(name, shift, _drawn(chance, yes, _FRAUDS), _drawn(chance, no, _OTHERS)))
    return found


def distances(features: Features, asked: list[Question]) -> npt.NDArray[np.float64]:
    """Returns the distance of each column for each question, float64 [columns, questions].

    Unset values stand below all others, then above all others; the larger distance counts.
    """
    found = np.zeros((features.shape[1], len(asked)))
    wanted = [np.concatenate([question.fraud, question.other]) for question in asked]
    rows = np.unique(np.concatenate(wanted)) if wanted else np.zeros(0, dtype=np.intp)
    read = features.take(rows).load()
    for place, question in enumerate(asked):
        values = read[np.searchsorted(rows, wanted[place])]
        for column in range(features.shape[1]):
            found[column, place] = _either_way(values[:, column], len(question.fraud))
    return found


def _either_way(values: npt.NDArray[np.float32], frauds: int) -> float:
    unset = np.isnan(values)
    ends = (np.float32(-np.inf), np.float32(np.inf)) if unset.any() else (np.float32(-np.inf),)
    return max(_distance(np.where(unset, end, values), frauds) for end in ends)


def _distance(values: npt.NDArray[np.float32], frauds: int) -> float:
    order = np.argsort(values)  # not stable, which takes twice as long: equal values count as one
    ranked, fraud = values[order], order < frauds
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    below = np.cumsum(fraud)[ends] / frauds
    other = np.cumsum(~fraud)[ends] / (len(values) - frauds)
    return float(np.abs(below - other).max())


def _drawn(chance: np.random.Generator, rows: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    return rows if len(rows) <= most else np.sort(chance.choice(rows, most, replace=False))


def _accounts(dataset: Dataset, rows: npt.NDArray[np.intp]) -> int:
    return len(np.unique(dataset.account[rows]))


def _ordinal(distance: int) -> str:
    return "" if distance == 1 else {2: "2nd ", 3: "3rd "}.get(distance, f"{distance}th ")
