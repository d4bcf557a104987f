"""Settings of what is written about a run and its bundle: the model card, the signature, MLflow."""

from __future__ import annotations

from pathlib import Path

from pydantic import NonNegativeInt, PositiveInt, SecretStr

from kuntur.settings.section import Section


class CardSettings(Section):
    """What the model card says that cannot be computed, and how much is computed for it."""

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
    folds: NonNegativeInt = 3
    """Earlier test windows on which the recipe is fitted and judged again, to show whether the one test
    window was lucky: as many fits on at most search.max_rows rows each. 0: none."""
    fairness: tuple[str, ...] = ()
    """Attributes that tell customers apart, such as attribute.region, by whose values fairness is judged,
    beside account type, age of account and institution."""
    history_versions: NonNegativeInt = 8
    """Earlier versions of the registry whose importance of features is shown beside the model's."""
    review_after_days: PositiveInt = 90
    """Days after the end of the test window by which the model is to be validated again."""
    retire_after_days: PositiveInt = 365
    """Days after the end of the test window from which it is not to serve any more."""


class SigningSettings(Section):
    """The trainer's signature under what it publishes (docs/signing.md)."""

    key: Path | None = None
    """PEM file of its private key, on P-256; unset: bundles are published unsigned."""
    password: SecretStr | None = None
    """What the file is encrypted with; better in the environment than in a file, and never shown."""


class TrackingSettings(Section):
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
