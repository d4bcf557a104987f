"""Parts about where the model is weak: what it misses, what it depends on, whom it treats otherwise."""

from __future__ import annotations

from trainer.card.schema.figures import Interval
from trainer.card.schema.part import Part


class MissedPart(Part):
    """Frauds of one name of one segment."""

    segment: str
    """Of what; empty for all frauds."""
    name: str
    """Which; empty for all frauds."""
    frauds: int
    """Frauds."""
    missed: int
    """Those below the review threshold."""
    missed_share: Interval
    """Share missed."""
    money: float | None
    """Stolen money, in the main currency; null where the frauds are 1 to 9."""
    money_missed: float | None
    """What of it was missed; null where the missed are 1 to 9."""


class MissedReason(Part):
    """A fact that explains why little speaks for fraud."""

    name: str
    """Its name."""
    text: str
    """In words."""
    frauds: int
    """Frauds for which it holds."""
    of_missed: Interval
    """Share of the missed frauds for which it holds."""
    of_found: Interval
    """Share of the found ones."""
    missed_where: Interval
    """Share missed of the frauds for which it holds."""
    missed_elsewhere: Interval
    """Share missed of the others."""


class Misses(Part):
    """What was missed and why."""

    whole: MissedPart
    """All frauds."""
    parts: tuple[MissedPart, ...]
    """By segment."""
    reasons: tuple[MissedReason, ...]
    """What sets the missed apart most first."""
    untold: tuple[str, ...]
    """Reasons of which the data say nothing."""


class AtAlerts(Part):
    """The model at another number of alerts."""

    factor: float
    """Of the alerts that the review threshold raises."""
    alerts_per_day: float
    """Alerts a day."""
    threshold: float
    """Probability from which there are so many."""
    precision: Interval
    """Frauds among the alerts."""
    recall: Interval
    """Frauds that raise an alert."""
    recall_by_value: Interval
    """Share of the stolen money that raises an alert."""


class Moved(Part):
    """The model with its inputs changed."""

    name: str
    """How."""
    features: int
    """How many inputs were changed."""
    average_precision: float | None
    """Average precision."""
    recall: float
    """At the same review threshold."""
    precision: float
    """At the same review threshold."""
    alerts_per_day: float
    """At the same review threshold."""
    advice: float
    """Share of the transactions whose advice at the review threshold changes."""


class AtMaturity(Part):
    """The figures by the labels that had come by then."""

    days: float
    """Days after the end of the test window."""
    frauds: int
    """Frauds known then."""
    average_precision: float | None
    """Average precision; null without a fraud."""
    precision: Interval
    """Frauds among the alerts."""
    recall: Interval
    """Frauds that raise an alert."""


class Sensitivity(Part):
    """How the figures move."""

    alerts: tuple[AtAlerts, ...]
    """With the number of alerts."""
    sampled: int
    """Transactions that were scored again."""
    base: Moved
    """These, unchanged."""
    sources: tuple[Moved, ...]
    """With the fields of a source unset, the worst first."""
    noise: tuple[Moved, ...]
    """With noise on every measured input, by its standard deviation."""
    maturity: tuple[AtMaturity, ...]
    """With the time that labels had; empty where they need none."""


class Group(Part):
    """Customers of one kind."""

    by: str
    """By what; empty for everybody."""
    name: str
    """Which; empty for everybody."""
    rows: int
    """Transactions."""
    legitimate: int
    """Legitimate ones."""
    frauds: int
    """Frauds."""
    false_alerts: Interval
    """Share of the legitimate transactions that raise an alert."""
    false_declines: Interval
    """Share of the legitimate transactions that are declined."""
    recall: Interval
    """Frauds that raise an alert."""
    more_false_alerts: bool
    """Whether false alerts are beyond those of everybody and beyond chance."""
    less_recall: bool
    """Whether recall is below that of everybody and beyond chance."""


class FairnessFound(Part):
    """Groups of customers."""

    whole: Group
    """Everybody."""
    groups: tuple[Group, ...]
    """By what is known."""
    by: tuple[str, ...]
    """What is known."""


class Fairness(Part):
    """Fairness by what is known of customers."""

    found: FairnessFound
    """How they fare."""
    unknown: tuple[str, ...]
    """What is not known, so that it cannot be judged."""
    absent: tuple[str, ...]
    """Attributes that were asked for and are not in the data, or do not vary."""
