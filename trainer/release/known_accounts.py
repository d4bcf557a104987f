"""Test rows of accounts that were known to be compromised, and the figures with and without them.

Their holders have been told: finding them again is no merit. By whom an account is known is what
`backtest.remove_known` says: a fraud in the protocol's training days or later, a label delay and a day
before.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Thresholds
from trainer.backtest.calendar import Calendar
from trainer.backtest.folds import History, unknown_rows
from trainer.dataset.training_set import Dataset
from trainer.evaluation import evaluate
from trainer.settings.judging import ThresholdSettings
from trainer.sources.split import Split


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """How many test rows are of such accounts, and what the others come to.

    rows, frauds: of these accounts; without: figures by name of all other rows, None where these are of one
    kind only.
    """

    rows: int
    frauds: int
    without: dict[str, float] | None

    def document(self) -> dict[str, Any]:
        """Returns it ready for JSON."""
        return asdict(self)


def known_before(
    dataset: Dataset, split: Split, until_us: int, train_days: int, zone: str
) -> npt.NDArray[np.bool_]:
    """Tells which test rows are of accounts known to be compromised, bool [len(split.test)].

    train_days: of the backtest's protocol; zone: whose days are meant. Labels are those known at until_us.
    """
    calendar, delay = Calendar(zone), math.ceil(split.label_delay_days)
    history = History(dataset.event_time_us, dataset.account, dataset.labels_at(until_us), until_us, calendar)
    first_day = calendar.day_of(split.test_start_us) - timedelta(days=train_days + delay)
    return ~unknown_rows(history, history.is_fraud, split.test, first_day, train_days, delay)


def known_accounts(
    known: npt.NDArray[np.bool_],
    label: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.float32],
    amount: npt.NDArray[np.float64],
    days: float,
    chosen: Thresholds,
    costs: ThresholdSettings | None,
) -> KnownAccounts:
    """Returns the counts, and the figures of `evaluate.figures` without these rows. known: bool [n]."""
    rest = ~known
    both_kinds = 0 < int(label[rest].sum()) < int(rest.sum())
    without = (
        evaluate.figures(label[rest], probability[rest], amount[rest], days, chosen, costs)
        if both_kinds
        else None
    )
    return KnownAccounts(int(known.sum()), int(label[known].sum()), without)
