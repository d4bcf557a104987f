"""Settings of the search for a model, and of where it runs."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from kuntur.settings.section import Section

Algorithm = Literal["xgboost", "random_forest", "logistic_regression"]
Method = Literal["tpe", "hyperopt", "random", "grid"]
Scheduler = Literal["asha", "median", "none"]
Imbalance = Literal["none", "weight", "weight_sqrt", "undersample", "smote"]


class SearchSettings(Section):
    """The search for a model."""

    trials: PositiveInt = 16
    """Settings to try."""
    method: Method = "tpe"
    """What proposes settings: tpe (Optuna's), hyperopt, random, or grid. All begin with the usual settings of
    each estimator, the shipped recipe among them."""
    scheduler: Scheduler = "asha"
    """What ends a trial before its end: asha (not in the best third of those that came as far), median (below
    their median), none. A time limit holds beside it."""
    algorithms: tuple[Algorithm, ...] = ("xgboost", "random_forest", "logistic_regression")
    """Estimators to try."""
    imbalance: tuple[Imbalance, ...] = ("none", "weight", "weight_sqrt", "undersample", "smote")
    """What to try against the rarity of fraud: nothing; weights, or their square roots, as XGBoost's
    scale_pos_weight would be; 20 legitimate transactions for each fraud; synthetic frauds."""
    history_days: tuple[NonNegativeFloat, ...] = (0, 60, 120)
    """Days of history to try to learn from; 0 is all. What is longer than the history is not tried."""
    columns: tuple[NonNegativeInt, ...] = (0, 40)
    """How many features to try to keep, the most important of a quick first fit; 0 is all. What is more than
    there are is not tried."""
    standard_errors: NonNegativeFloat = 1.0
    """The cheapest setting to score with is taken that is at most so many standard errors of the difference
    worse than the best one; 0 takes the best."""
    max_rounds: PositiveInt = 400
    """Boosting rounds of a trial at the most."""
    max_rows: PositiveInt = 300_000
    """Rows that a trial learns from: all frauds and a sample of the rest, weighted up to stand for all. The
    chosen setting learns from every row."""
    cpus_per_trial: PositiveInt = 1
    """Threads of a trial, at the most the cores of the largest node; as many trials run at once as the
    cluster has cores for."""
    time_limit_s: PositiveFloat | None = None
    """Seconds after which the search ends: no trial starts any more and those that run are stopped, with
    what they have reached until then."""
    seed: int = 7
    """Seed of everything that draws."""


class RaySettings(Section):
    """Where the search runs, and what else Ray is for."""

    address: str | None = None
    """HOST:PORT of a Ray cluster's head, or auto for the one that this machine is a node of; unset starts Ray
    on this machine."""
    ship_code: bool = True
    """Send the trainer's code to a cluster, so that all nodes run what this process does; the libraries must
    be installed there."""
    object_store_bytes: PositiveInt = 1 << 30
    """Shared memory for arrays when Ray starts here."""
    replay: Literal["local", "sharded", "auto"] = "auto"
    """Where features are computed: in this process, as tasks of Ray cut up by entity, or whichever is sooner
    done for so many transactions."""
