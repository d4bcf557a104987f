"""One fit, as a search, a backtest and a training run all make it: rows and a recipe's parameters to a model.

History, columns and balance first, then the family. It knows no time but the age of a row and judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows
from trainer.fitting.selection import ranked
from trainer.models import FAMILIES, FittedModel, Parameters
from trainer.models.base import RoundCallback
from trainer.models.imbalance import balanced
from trainer.models.recipe import COMMON


class TooFewFraudsError(ValueError):
    """The rows that a recipe leaves are of one kind only."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model, what it was fitted with, and the columns that it takes of the whole, intp [k], ascending."""

    model: FittedModel
    parameters: Parameters
    columns: npt.NDArray[np.intp]

    def margin(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns raw margins, float32 [n]; features: float32 [n, columns], the whole matrix."""
        return self.model.margin(only(features, self.columns))


def only(features: npt.NDArray[np.float32], columns: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Returns some columns of a matrix; the matrix itself where they are all."""
    if len(columns) == features.shape[1]:
        return features
    return np.ascontiguousarray(features[:, columns])


def fit(
    rows: TrainingRows,
    parameters: Parameters,
    *,
    threads: int,
    seed: int,
    judge: npt.NDArray[np.float32] | None = None,
    on_round: RoundCallback | None = None,
    ranking: npt.NDArray[np.intp] | None = None,
) -> Fitted:
    """Fits what a recipe says. Raises TooFewFraudsError where its history holds rows of one kind only.

    judge: float32 [m, columns], the whole matrix, whose margins a family with rounds hands to `on_round` as
    it goes; ranking: the columns by importance from `selection.ranked` on these rows, where a caller that
    fits many times has it already.
    """
    chosen, columns = chosen_rows(rows, parameters, seed, ranking)
    return fit_chosen(chosen, columns, parameters, threads=threads, seed=seed, judge=judge, on_round=on_round)


def fit_chosen(
    chosen: TrainingRows,
    columns: npt.NDArray[np.intp],
    parameters: Parameters,
    *,
    threads: int,
    seed: int,
    judge: npt.NDArray[np.float32] | None = None,
    on_round: RoundCallback | None = None,
) -> Fitted:
    """Fits what a recipe says on rows by `chosen_rows`; arguments as for `fit`."""
    model = FAMILIES[str(parameters["algorithm"])].fit(
        chosen,
        parameters,
        threads=threads,
        seed=seed,
        judge=None if judge is None else only(judge, columns),
        on_round=on_round,
    )
    return Fitted(model, parameters, columns)


def chosen_rows(
    rows: TrainingRows, parameters: Parameters, seed: int, ranking: npt.NDArray[np.intp] | None = None
) -> tuple[TrainingRows, npt.NDArray[np.intp]]:
    """Returns the rows that a recipe learns from, of its history, columns and balance; and those columns.

    Arguments and errors as for `fit`.
    """
    columns = _columns(rows, parameters, ranking)
    recent = _recent(rows, parameters).only(columns)
    return balanced(recent, str(_common(parameters, "imbalance")), seed), columns


def _common(parameters: Parameters, name: str) -> str | int | float | bool:
    value = parameters.get(name)
    return COMMON[name] if value is None else value


def _recent(rows: TrainingRows, parameters: Parameters) -> TrainingRows:
    days = float(_common(parameters, "history_days"))
    recent = rows if days == 0 or (rows.age_days <= days).all() else rows.take(rows.age_days <= days)
    frauds = int((recent.label == 1).sum())
    if frauds in (0, len(recent)):
        within = f"the last {days:g} days" if days else "the training window"
        raise TooFewFraudsError(
            f"{within} hold {len(recent):,} transactions of which {frauds:,} are known frauds; both kinds "
            "are needed: give the recipe a longer history_days, or 0 for all"
        )
    return recent


def _columns(
    rows: TrainingRows, parameters: Parameters, ranking: npt.NDArray[np.intp] | None
) -> npt.NDArray[np.intp]:
    kept = int(_common(parameters, "columns"))
    if kept == 0 or kept >= rows.columns:
        return np.arange(rows.columns, dtype=np.intp)
    order = ranked(rows) if ranking is None else ranking
    return np.sort(order[:kept])
