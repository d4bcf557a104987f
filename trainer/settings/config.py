"""Settings of the trainer: defaults, one TOML file, environment, command line, each over the one before.

Environment variables are `KUNTUR_TRAINER_` and the path of the setting joined by `__`, such as
`KUNTUR_TRAINER_SEARCH__TRIALS=40`.
"""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from kuntur.files.paths import read_settings
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.institution import Institution
from kuntur.settings.section import Section as _Section
from trainer.settings.judging import CalibrationSettings, GateSettings, LeakageSettings, ThresholdSettings

Baseline = Literal["constant", "amount", "logistic_regression", "plain_xgboost"]
Algorithm = Literal["xgboost", "random_forest", "logistic_regression"]
Method = Literal["tpe", "hyperopt", "random", "grid"]
Scheduler = Literal["asha", "median", "none"]
Imbalance = Literal["none", "weight", "weight_sqrt", "undersample", "smote"]


ENVIRONMENT_PREFIX = "KUNTUR_TRAINER_"


class PostgresSettings(_Section):
    """A PostgreSQL database whose rows are read instead of files: a table, or what a query gives."""

    uri: SecretStr | None = None
    """postgresql://user:password@host:5432/database; better in the environment than in a file, and never
    shown. Without a password, that of PGPASSWORD or ~/.pgpass."""
    table: str | None = None
    """Table or view to read, such as public.cards; its name as it is, in upper and lower case."""
    query: str | None = None
    """SELECT to read instead of a table. It runs read-only, in UTC; its order does not matter."""

    @property
    def chosen(self) -> bool:
        """Whether rows are to be read from here."""
        return self.table is not None or self.query is not None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.table is not None and self.query is not None:
            raise ValueError("give a table or a query, not both")
        if self.chosen and self.uri is None:
            raise ValueError(
                "a table or query needs the address of its database: set "
                f"{ENVIRONMENT_PREFIX}DATA__POSTGRES__URI=postgresql://user:password@host:5432/database"
            )
        return self


class DataSettings(_Section):
    """Where the transactions come from: files, a journal or PostgreSQL."""

    paths: tuple[str, ...] = ()
    """Files or globs: CSV, Parquet, JSON lines."""
    mapping: str = "kuntur"
    """A shipped mapping (kuntur, handbook) or the path of one."""
    journal: Path | None = None
    """Directory of a server's journal, read instead of files; not both."""
    postgres: PostgresSettings = PostgresSettings()
    """A PostgreSQL database whose rows are read instead of files."""
    since: datetime | None = None
    """Earliest event time to read; all when unset. A time that names no zone is in the mapping's; UTC with a
    journal."""
    until: datetime | None = None
    """The moment at which the trainer stands: later transactions and labels are unknown. Default: just after
    the last transaction. Zone as of since."""
    max_reject_share: float = Field(default=0.01, ge=0, le=1)
    """Above this share of bad rows the run stops."""

    @property
    def chosen(self) -> bool:
        """Whether there is anything to read from."""
        return bool(self.paths) or self.journal is not None or self.postgres.chosen

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.paths and self.journal is not None:
            raise ValueError("give files or a journal, not both")
        if self.postgres.chosen and (self.paths or self.journal is not None):
            raise ValueError("give PostgreSQL or files or a journal, only one of them")
        return self


class CheckSettings(_Section):
    """What is expected of the data as a whole. What is not met is a warning, or stops the run by strict."""

    strict: bool = False
    """Whether a warning stops the run, too."""
    min_fraud_share: float = Field(default=0.0001, ge=0, le=1)
    """Share of fraud among the labels, at the least."""
    max_fraud_share: float = Field(default=0.2, ge=0, le=1)
    """Share of fraud among the labels, at the most."""
    max_gap_days: NonNegativeInt = 2
    """Days in a row without a transaction, at the most."""
    min_day_share: float = Field(default=0.2, ge=0, le=1)
    """Transactions of a day as a share of the median day's, at the least; not of the first and last day."""
    max_missing_share: float = Field(default=0.95, ge=0, le=1)
    """Share of rows in which a column that is given at all may be missing."""
    max_repeated_share: float = Field(default=0.01, ge=0, le=1)
    """Share of transactions that repeat another in all but their id, at the most."""
    max_account_share: float = Field(default=0.1, ge=0, le=1)
    """Share of all transactions that one account may have."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_fraud_share > self.max_fraud_share:
            raise ValueError("min_fraud_share must not be above max_fraud_share")
        return self


class SplitSettings(_Section):
    """How time is cut. Never at random."""

    label_delay_days: float | None = Field(default=None, ge=0)
    """Days that labels need to arrive. Default: the mapping's; 14 where it has none."""
    select_days: PositiveFloat = 7
    """Days behind the training and its label delay that choose the model."""
    calibrate_days: PositiveFloat = 7
    """Days behind those that calibrate it and set its thresholds."""
    test_days: PositiveFloat = 7
    """Days behind those, up to the label delay before until, that give its figures and nothing else."""
    training_days: PositiveFloat | None = None
    """Days to learn from at the most; all when unset. Features always see the whole history."""
    warm_up_days: float = Field(default=7, ge=0)
    """Days at the start that only fill the windows and are not learnt from."""


class SearchSettings(_Section):
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


class BacktestSettings(_Section):
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

    @field_validator("train_start")
    @classmethod
    def _each_once(cls, days: tuple[date, ...]) -> tuple[date, ...]:
        if len(set(days)) < len(days):
            raise ValueError("names a day twice")
        return tuple(sorted(days))


class RaySettings(_Section):
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


class CardSettings(_Section):
    """What the model card says that no computation can know."""

    owner: str = ""
    """Who answers for the model: a unit or a role. The card says so when it is not named."""
    approver: str = ""
    """Who is to sign the card before the model is used; the signature itself is left to the reader."""
    contact: str = ""
    """Where questions about the model go."""
    purpose: str = (
        "Gives each bank transaction a probability of being fraud, so that the doubtful ones are looked at "
        "(REVIEW) or stopped (DECLINE) before the money is gone. It advises; people and the rules of the "
        "institution decide."
    )
    """What the model is for."""
    limits: str = (
        "Not for credit, pricing, employment or any other decision about a person. Fraud of a kind that "
        "nobody had reported by the end of the training is not learnt. Transactions of another institution, "
        "country or channel than those in the data are outside what was tested. Reported fraud stands for "
        "fraud: what was never reported counts as legitimate. The figures hold for the test window and its "
        "share of fraud."
    )
    """What it is not for, and where it was not tested."""


class SigningSettings(_Section):
    """The trainer's signature under what it publishes (docs/signing.md)."""

    key: Path | None = None
    """PEM file of its private key, on P-256; unset: bundles are published unsigned."""
    password: SecretStr | None = None
    """What the file is encrypted with; better in the environment than in a file, and never shown."""


class TrackingSettings(_Section):
    """Where runs are recorded for MLflow; nowhere unless switched on."""

    enabled: bool = False
    """Whether to record runs in a local store, mlflow.db in work. A uri switches it on, too."""
    uri: SecretStr | None = None
    """Another store: http://host:5000 of a tracking server, or sqlite:///path/mlflow.db. Never shown, since
    it may hold a password."""
    experiment: str = "kuntur"
    """Experiment that the runs belong to."""
    registered_model: str = "kuntur"
    """Name in MLflow's model registry whose versions are the published bundles."""

    @property
    def active(self) -> bool:
        """Whether runs are recorded."""
        return self.enabled or self.uri is not None


class TrainerSettings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # what was given may hold a password
    )
    file_values: ClassVar[dict[str, Any]] = {}

    data: DataSettings = DataSettings()
    """Where the transactions come from."""
    institution: Institution = Institution()
    """The institution: the same in the settings of server and trainer."""
    checks: CheckSettings = CheckSettings()
    """What is expected of the data as a whole."""
    split: SplitSettings = SplitSettings()
    """How time is cut."""
    search: SearchSettings = SearchSettings()
    """The search for a model."""
    gate: GateSettings = GateSettings()
    """What a new model must show before it takes the place of the live one."""
    leakage: LeakageSettings = LeakageSettings()
    """When a column counts as giving the label away."""
    calibration: CalibrationSettings = CalibrationSettings()
    """How margins become probabilities."""
    thresholds: ThresholdSettings = ThresholdSettings()
    """What the advice may cost."""
    backtest: BacktestSettings = BacktestSettings()
    """How a recipe is judged on folds that follow one another in time."""
    ray: RaySettings = RaySettings()
    """Where the search runs."""
    card: CardSettings = CardSettings()
    """What the model card says that no computation can know."""
    signing: SigningSettings = SigningSettings()
    """The signature under what is published."""
    tracking: TrackingSettings = TrackingSettings()
    """Where runs are recorded."""
    registry: Path = Path("registry")
    """Directory in which bundles are published."""
    work: Path = Path("work")
    """Directory for the search's state, reject files and anything a run can be resumed from."""
    hash_key: str = DEFAULT_HASH_KEY
    """Key of the hashes of ids, 32 hexadecimal digits; the server's."""

    @field_validator("hash_key")
    @classmethod
    def _is_hash_key(cls, text: str) -> str:
        secret_from_hex(text)
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Orders the sources: command line, environment, file."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, cls.file_values)


def load(config: Path | None, overrides: dict[str, object]) -> TrainerSettings:
    """Reads the settings. Raises pydantic's ValidationError that names each wrong one.

    overrides: nested as the sections are; they win over environment and file. Raises TOMLDecodeError, and
    what `kuntur.files.paths.read_settings` raises.
    """
    values = {} if config is None else tomllib.loads(read_settings(config))
    loader = type("TrainerSettings", (TrainerSettings,), {"file_values": values, "__module__": __name__})
    settings: TrainerSettings = loader(**overrides)
    return settings
