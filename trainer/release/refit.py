"""The chosen recipe fitted again on everything that is known: what is served once the recipe was judged.

    ── train ──▶ delay ──▶ select | calibrate | test ──▶ delay ──▶ until     judged
    ── learnt from ──────────────────────────────────▶ delay ──▶ until     served

What stood the test is a way to make a model from such data. More rows make a better one of the same kind
(Raschka, 2018, on the hold-out method: evaluate, then fit on all data), and newer ones a fresher one. No
figure is taken of it: those of the judged fit are what is known of the recipe. Its inputs are the judged
fit's as well, so that a validator has one list of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.bundle.bundle import Refit
from trainer.dataset.rows import TrainingRows
from trainer.dataset.training_set import Dataset
from trainer.dataset.windows import judging_rows, training_rows
from trainer.fitting.fit import Fitted
from trainer.fitting.last import last_fit
from trainer.fitting.settled import Newest, Settled, days_held_out, settled
from trainer.progress import Progress
from trainer.settings.config import TrainerSettings
from trainer.sources.split import Split, TooLittleHistoryError, iso

_DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """All rows whose labels have had time to arrive, and the newest of them, which a first fit leaves out.

    rows, held_out, newest: int64, numbers in event order, the last of those that came later; start_us,
    held_out_start_us, end_us: moments between which they lie; until_us: whose knowledge their labels are;
    fraud_count: known frauds among them.
    """

    rows: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.int64]
    newest: npt.NDArray[np.int64]
    start_us: int
    held_out_start_us: int
    end_us: int
    until_us: int
    fraud_count: int

    @classmethod
    def of(cls, dataset: Dataset, split: Split, until_us: int, settings: TrainerSettings) -> Known:
        """Cuts them: from the first after the warm-up, or `split.training_days` before the end, to that.

        Raises TooLittleHistoryError where the days held out, or those before, have not both kinds.
        """
        end = split.test_end_us
        start = int(dataset.event_time_us[0]) + round(settings.split.warm_up_days * _DAY_US)
        if settings.split.training_days is not None:
            start = max(start, end - round(settings.split.training_days * _DAY_US))
        days = days_held_out(settings.refit.calibrate_days, (end - start) / _DAY_US)
        held_out_start = end - round(days * _DAY_US)
        moments = [start, held_out_start, end, until_us]
        first, middle, last, behind = np.searchsorted(dataset.event_time_us, moments)
        label = dataset.labels_at(until_us)
        for name, part in (("newest days", label[middle:last]), ("days before", label[first:middle])):
            frauds = int(part.sum())
            if frauds in (0, len(part)):
                raise TooLittleHistoryError(
                    f"the refit holds out the newest {days:g} days; the {name} have {len(part):,} "
                    f"transactions of which {frauds:,} are known frauds, and both kinds are needed: raise "
                    "refit.calibrate_days, give more history, or set refit.enabled = false"
                )
        rows, held_out = (np.arange(start, last, dtype=np.int64) for start in (first, middle))
        newest = np.arange(last, behind, dtype=np.int64)
        frauds = int(label[first:last].sum())
        return cls(rows, held_out, newest, start, held_out_start, end, until_us, frauds)

    @property
    def earlier(self) -> npt.NDArray[np.int64]:
        """Rows of the first fit, int64."""
        return self.rows[: len(self.rows) - len(self.held_out)]

    @property
    def held_out_days(self) -> float:
        """Days held out."""
        return (self.end_us - self.held_out_start_us) / _DAY_US

    @property
    def newest_days(self) -> float:
        """Days over which the rows spread whose labels are not known yet."""
        return (self.until_us - self.end_us) / _DAY_US

    def document(self, judged: Settled, judged_parity: dict[str, float]) -> Refit:
        """Returns what the manifest says; judged: what was settled for the judged fit."""
        return Refit(
            train_start_time=iso(self.start_us),
            train_end_time=iso(self.end_us),
            labels_time=iso(self.until_us),
            row_count=len(self.rows),
            fraud_count=self.fraud_count,
            held_out_start_time=iso(self.held_out_start_us),
            held_out_days=self.held_out_days,
            judged_thresholds=judged.thresholds,
            judged_parity=judged_parity,
        )


@dataclass(frozen=True, slots=True)
class Refitted:
    """The fit that is served, and what was settled for it before."""

    fitted: Fitted
    settled: Settled


def refit(
    judged: Fitted,
    columns: npt.NDArray[np.intp],
    dataset: Dataset,
    known: Known,
    settings: TrainerSettings,
    progress: Progress,
) -> Refitted:
    """Fits the recipe of the judged fit on everything that is known, with its inputs and number of rounds.

    columns: those of the dataset of which `judged.columns` are some. Raises TooFewFraudsError, ClusterError.
    """

    def again(rows: TrainingRows) -> Fitted:
        return last_fit(rows, judged.parameters, settings, progress, ranking=judged.columns)

    until = known.until_us
    first = again(training_rows(dataset, known.earlier, columns, until, known.held_out_start_us))
    last = again(training_rows(dataset, known.rows, columns, until, known.end_us))
    held_out = judging_rows(dataset, known.held_out, columns, until)
    newest = None
    if known.newest_days >= 1 and len(known.newest):
        margin = last.margin(judging_rows(dataset, known.newest, columns, until).features)
        newest = Newest(margin, known.newest_days)
    found = settled(
        first.margin(held_out.features),
        held_out.label,
        held_out.amount,
        known.held_out_days,
        settings.calibration,
        settings.thresholds,
        dataset.currency,
        newest,
    )
    return Refitted(last, found)
