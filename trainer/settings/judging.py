"""Settings of what judges data and models: leakage, the gate, calibration, thresholds, backtests."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from kuntur.settings.section import Section
from trainer.confined.model import RunLimits

Baseline = Literal["constant", "amount", "logistic_regression", "plain_xgboost"]


class LeakageSettings(Section):
    """When an attribute counts as giving the label away; a column of the catalogue does when it changes with
    the future. Distances are those of Kolmogorov and Smirnov between
    the column's values on fraud and on the rest: 0 alike, 1 wholly apart.
    """

    own_limit: float = Field(default=0.95, gt=0, le=1)
    """Above this distance a column tells the label of its own row too well to be true."""
    neighbour_limit: float = Field(default=0.8, gt=0, le=1)
    """The same for the fraud, not yet reported, of one of the next five rows in time, source, account or
    merchant; those before the row have own_limit."""
    accept: tuple[str, ...] = ()
    """Columns that may be used all the same, such as attribute.risk_band; the bundle says so."""


class GateSettings(Section):
    """What a new model must show before it takes the place of the live one."""

    margin: float = Field(default=0.002, ge=-1, le=1)
    """Its average precision must be above the live model's by more than this, with `confidence`. A negative
    margin lets a model pass that is shown to be no worse than by so much: for renewal on a schedule."""
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    """Share of the bootstrap's draws in which that must hold."""
    value_margin: float = Field(default=-0.03, ge=-1, le=1)
    """The difference in the share of stolen money caught, at the alert budget, must be at least this, with
    `confidence`. Below 0, since a few large frauds make most of it and the interval is wide."""
    segment_tolerance: float = Field(default=0.05, ge=0, le=1)
    """By how much average precision may fall on a large segment: channel, type, institution, band of amounts,
    merchant category, age of account. A fall that may be chance does not count: of so many segments one falls
    by chance in most comparisons, so `confidence` is that of all of them together."""
    max_psi: float = Field(default=0.25, gt=0)
    """Stability index above which a feature has drifted."""
    max_drifted_importance: float = Field(default=0.25, ge=0, le=1)
    """Share of the model's importance that drifted features may carry together."""
    max_calibration_error: float = Field(default=0.02, gt=0, le=1)
    """Expected calibration error that its probabilities may have."""
    min_frauds: PositiveInt = 20
    """Frauds that the comparison needs; with fewer the live model stays."""
    replicates: PositiveInt = 400
    """Draws of the bootstrap."""
    champion_s: PositiveFloat = 120.0
    """Seconds that the live model may take to be loaded, and then for each 8,192 rows, in a process of its
    own. One that takes longer is not compared with."""
    champion_bytes: int = Field(default=2 << 30, ge=256 << 20)
    """Memory that it may take there."""
    force: bool = False
    """Publish live whatever is found; manifest and documents say so."""

    @property
    def limits(self) -> RunLimits:
        """What the live model may take."""
        return RunLimits(self.champion_s, self.champion_bytes)


class CalibrationSettings(Section):
    """How margins become probabilities."""

    method: Literal["auto", "platt", "isotonic"] = "auto"
    """platt: a line, two numbers. isotonic: a curve. auto: the line below 100 frauds in the calibration
    window, else the curve where it does better on rows left out."""
    prior_shift: bool = False
    """Move the probabilities of what is served to the share of fraud that the newest days seem to have, whose
    labels are not known yet (Saerens and others, 2002). Right where only that share changes."""
    max_prior_shift: float = Field(default=3.0, gt=1)
    """By how much the odds of fraud are then multiplied or divided at the most."""
    max_share_change: float = Field(default=2.0, gt=1)
    """The verdict warns when the share of fraud is more than so many times what was calibrated for, or less
    than that part of it, beyond chance."""


class RefitSettings(Section):
    """The fit that is served: the chosen recipe on everything that is known at the end."""

    enabled: bool = True
    """After it was judged, fit the recipe again on all transactions whose labels have had time to arrive,
    those that chose, calibrated and tested it as well, and publish that fit; else the judged one."""
    calibrate_days: PositiveFloat = 7
    """Newest of these days that a first fit leaves out, a third of what is learnt from at the most: on them
    calibration and thresholds are settled."""


class ThresholdSettings(Section):
    """What the advice may cost."""

    method: Literal["budget", "rank", "cost"] = "budget"
    """budget: the highest scores that the alerts a day allow on the calibration window. rank: the same on the
    newest days up to until, whose labels are not known yet and not needed. cost: what comes cheapest on the
    calibration window, whatever the number of alerts."""
    max_alert_excess: float = Field(default=0.5, ge=0)
    """The verdict warns when the newest days have more alerts than the budget, by more than this share."""
    review_alerts_per_day: PositiveFloat = 50
    """Transactions a day that analysts can look at. The gate compares models at so many alerts by either
    method."""
    decline_alerts_per_day: PositiveFloat = 10
    """Of these, transactions a day that may be stopped at once."""
    fraud_loss_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the amount that a fraud costs when it passes."""
    investigation_cost: float = Field(default=15.0, ge=0)
    """What an analyst's look at a transaction costs, in units of the data's most frequent currency."""
    review_recovery_share: float = Field(default=0.9, ge=0, le=1)
    """Share of the loss that is saved when a fraud is reviewed."""
    wrong_decline_cost: float = Field(default=60.0, ge=0)
    """What it costs to decline a legitimate transaction, in units of the data's most frequent currency."""
    wrong_decline_share: float = Field(default=0.02, ge=0, le=1)
    """Share of the amount that it costs besides: the business that is lost."""


class BacktestSettings(Section):
    """How a recipe is judged on folds that follow one another in time. Days are of the mapping's zone."""

    train_start: tuple[date, ...] = ()
    """First day of the protocol's training of each fold. Unset: the newest `folds` that the data allow."""
    folds: PositiveInt = 4
    """Folds, with tests one behind the other, where train_start is unset."""
    train_days: PositiveInt = 7
    """Days of the protocol's training; the label delay and the test follow. What is learnt from reaches
    further back, up to split.training_days."""
    test_days: PositiveInt = 7
    """Days of a fold's test."""
    calibrate_days: PositiveInt = 7
    """Newest days before the end of training, a third of what is learnt from at the most, that a first fit
    leaves out: on them calibration and thresholds are chosen."""
    remove_known: bool = True
    """Leaves cards out of the test that were known to be compromised: those with a fraud between train_start
    and the label delay before the day of the test."""
    search: bool = False
    """Each fold chooses its recipe as train would at the start of its test, by the settings of search and
    split, instead of fitting one that is given."""
    leave_out: tuple[str, ...] = ()
    """Kinds of fraud (`label.kind` of the mapping) that the bank never recognised: they teach nothing, choose
    nothing, change no feature by their reports, and stand in the test all the same. Of `backtest` alone:
    `tune` knows all kinds."""
    baselines: tuple[Baseline, ...] = ("constant", "amount", "logistic_regression", "plain_xgboost")
    """What stands in the table beside the recipe."""
    k: PositiveInt = 100
    """Cards that are examined a day in card precision."""
    resamples: PositiveInt = 200
    """Replicates of the bootstrap, which draws accounts."""
    cpus_per_fit: PositiveInt = 1
    """Threads of a fit; as many fits run at once as the cluster has cores for."""
    seed: int = 7
    """Seed of fits and bootstrap."""

    @field_validator("leave_out")
    @classmethod
    def _named(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if "" in kinds or len(set(kinds)) < len(kinds):
            raise ValueError("names a kind twice, or none")
        return tuple(sorted(kinds))

    @field_validator("train_start")
    @classmethod
    def _each_once(cls, days: tuple[date, ...]) -> tuple[date, ...]:
        if len(set(days)) < len(days):
            raise ValueError("names a day twice")
        return tuple(sorted(days))
