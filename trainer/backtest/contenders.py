"""What stands in the table: the recipe, and baselines that it must beat to be worth its trouble.

Each turns rows to learn from into raw margins of others; calibration and thresholds are alike for all.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.dataset.features import Features
from trainer.dataset.rows import TrainingRows
from trainer.dataset.training_set import informative
from trainer.fitting.fit import fit, only
from trainer.models import FAMILIES, Parameters

RECIPE = "recipe"
Float32 = npt.NDArray[np.float32]

TITLES = {
    RECIPE: "Kuntur",
    "constant": "constant",
    "amount": "amount only",
    "logistic_regression": "logistic regression",
    "plain_xgboost": "plain XGBoost, raw columns",
}
# Of these the margin follows from the transaction alone; nothing is learnt.
UNLEARNT = ("constant", "amount")
ON_RAW_COLUMNS = ("plain_xgboost",)
_FIRST_LOOK = 20_000  # rows in which most columns show that they vary


def unlearnt_margin(name: str, amount: npt.NDArray[np.float64]) -> Float32:
    """Returns the margins of a contender in UNLEARNT: nothing at all, or the amount."""
    return (amount if name == "amount" else np.zeros(len(amount))).astype(np.float32)


def learnt_margin(
    name: str,
    recipe: Parameters,
    rows: TrainingRows,
    judged: Float32,
    threads: int,
    seed: int,
) -> Float32:
    """Fits a contender on rows and returns its margins of others, float32 [len(judged)].

    judged: float32 [m, columns], the columns of rows.
    """
    columns = np.flatnonzero(varying(rows.features))
    rows, judged = rows.only(columns), only(judged, columns)
    if name == "plain_xgboost":
        return _plain_xgboost(rows, judged, threads, seed)
    parameters = recipe if name == RECIPE else {"algorithm": name, **FAMILIES[name].usual(0)}
    return fit(rows, parameters, threads=threads, seed=seed).margin(judged)


def varying(features: Float32) -> npt.NDArray[np.bool_]:
    """Tells which columns vary at all, bool [columns]."""
    kept = informative(Features.of(features[-_FIRST_LOOK:]))
    rest = np.flatnonzero(~kept)
    kept[rest] = informative(Features.of(features[:, rest]))
    return kept


def _plain_xgboost(rows: TrainingRows, judged: Float32, threads: int, seed: int) -> Float32:
    """XGBoost as it comes, what is reached without features, search and care for rare classes."""
    from xgboost import XGBClassifier

    model = XGBClassifier(n_jobs=threads, random_state=seed).fit(rows.features, rows.label)
    margin: Float32 = model.predict(judged, output_margin=True)
    return margin
