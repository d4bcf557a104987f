"""Settings of what is written about a run: the model card, MLflow."""

from __future__ import annotations

from pydantic import SecretStr

from kuntur.settings.section import Section


class CardSettings(Section):
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
