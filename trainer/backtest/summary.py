"""Figures by contender, fold and mean, each with its interval, and what the recipe gains over each baseline.

All contenders are judged on the same draws of accounts; an account of several folds is drawn for all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trainer.backtest.contenders import RECIPE
from trainer.backtest.figures.metrics import figures
from trainer.backtest.run import Round
from trainer.evaluation.bootstrap import Float64, Interval, weights, where_none_differs
from trainer.evaluation.figures import WITHOUT_INTERVAL
from trainer.settings.judging import BacktestSettings


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one contender.

    folds: of each; mean: of the folds' plain mean, with the interval of that mean; std: their standard
    deviation (of the population, as published tables have it).
    """

    folds: tuple[Interval, ...]
    mean: Interval
    std: float


@dataclass(frozen=True, slots=True)
class Summary:
    """figures: by contender and name; gains: by baseline and name, the recipe's mean less the baseline's."""

    figures: dict[str, dict[str, Figure]]
    gains: dict[str, dict[str, Interval]]


def summarise(
    rounds: list[Round], settings: BacktestSettings, progress: Callable[[int, int], None]
) -> Summary:
    """Computes all figures and their intervals. progress: replicates done and their number."""
    contenders = list(rounds[0].judged)
    taken = [
        [figures(one.judged[name].scored, one.judged[name].thresholds, settings.k) for one in rounds]
        for name in contenders
    ]
    names = list(taken[0][0])
    ends = np.cumsum([0, *(len(one.fold.test) for one in rounds)])
    parts = [slice(start, end) for start, end in itertools.pairwise(ends)]
    accounts = np.concatenate([one.judged[RECIPE].scored.account for one in rounds])

    def all_figures(weight: Float64) -> Float64:
        return np.array(
            [
                [
                    [fold[name](weight[part]) for name in names]
                    for fold, part in zip(folds, parts, strict=True)
                ]
                for folds in taken
            ]
        )

    values = all_figures(np.ones(len(accounts)))  # [contenders, folds, names]
    drawn = np.empty((settings.resamples, *values.shape))
    for number, weight in enumerate(weights(accounts, settings.resamples, settings.seed)):
        drawn[number] = all_figures(weight)
        progress(number + 1, settings.resamples)
    drawn[..., [names.index(name) for name in WITHOUT_INTERVAL]] = np.nan
    means, drawn_means = values.mean(axis=1), drawn.mean(axis=2)
    found = {
        contender: {
            name: Figure(
                folds=tuple(
                    where_none_differs(Interval.of(float(values[c, fold, n]), drawn[:, c, fold, n]))
                    for fold in range(len(rounds))
                ),
                mean=where_none_differs(Interval.of(float(means[c, n]), drawn_means[:, c, n])),
                std=float(values[c, :, n].std()),
            )
            for n, name in enumerate(names)
        }
        for c, contender in enumerate(contenders)
    }
    gains = {
        contender: {
            name: Interval.of(float(means[0, n] - means[c, n]), drawn_means[:, 0, n] - drawn_means[:, c, n])
            for n, name in enumerate(names)
        }
        for c, contender in enumerate(contenders)
        if contender != RECIPE
    }
    return Summary(found, gains)
