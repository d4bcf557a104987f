"""The comparison: two models, the same rows, the same draws of accounts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.evaluation import bootstrap
from trainer.evaluation.bootstrap import Float64, Weighted
from trainer.evaluation.segments import JUDGED, OTHER, is_large
from trainer.gate.contenders import JudgingWindow
from trainer.gate.falls import surely_falls
from trainer.gate.verdict import Finding
from trainer.settings.judging import GateSettings

Float32 = npt.NDArray[np.float32]

_SEED = 31


@dataclass(frozen=True, slots=True)
class Gain:
    """What the challenger has over the champion in one figure, and in how many draws.

    challenger, champion: the figure on the rows as they are; replicates: float64 [k], the differences.
    """

    challenger: float
    champion: float
    replicates: Float64

    @property
    def value(self) -> float:
        """The difference on the rows as they are."""
        return self.challenger - self.champion

    def at_least(self, confidence: float) -> float:
        """Returns what the difference is above in this share of the draws."""
        known = self.replicates[~np.isnan(self.replicates)]
        return float(np.quantile(known, 1 - confidence)) if len(known) else float("nan")


def comparison_findings(
    challenger: Float32,
    champion: Float32,
    window: JudgingWindow,
    alerts_per_day: float,
    settings: GateSettings,
) -> tuple[Finding, ...]:
    """Returns the findings on average precision, on stolen money caught, and on each large segment.

    challenger, champion: float32 [n], scores of the window's rows, which hold frauds and others.
    """
    large = {
        f"{kind} {name}": rows
        for kind, segment in window.segments.items()
        if kind in JUDGED
        for name in segment.names
        if name != OTHER
        and is_large(int((rows := segment.of(name)).sum()), int(window.label[rows].sum()), len(window))
        and not rows.all()
    }
    precision, value, *by_segment = _gains(challenger, champion, window, alerts_per_day, large, settings)
    return (
        _average_precision(precision, settings),
        _value_recall(value, alerts_per_day, settings),
        _segments(dict(zip(large, by_segment, strict=True)), settings),
    )


def _gains(
    challenger: Float32,
    champion: Float32,
    window: JudgingWindow,
    alerts_per_day: float,
    large: dict[str, npt.NDArray[np.bool_]],
    settings: GateSettings,
) -> list[Gain]:
    value = bootstrap.value_recall_at(window.amount, alerts_per_day * window.days)
    figures: list[Weighted] = []
    for statistic in (bootstrap.average_precision, value):
        figures += [statistic(window.label, score) for score in (challenger, champion)]
    for rows in large.values():
        figures += [_within(window, score, rows) for score in (challenger, champion)]
    drawn = bootstrap.replicates(figures, window.account, settings.replicates, _SEED)
    whole = np.ones(len(window))
    return [
        Gain(figures[first](whole), figures[first + 1](whole), drawn[:, first] - drawn[:, first + 1])
        for first in range(0, len(figures), 2)
    ]


def _within(window: JudgingWindow, score: Float32, rows: npt.NDArray[np.bool_]) -> Weighted:
    # By numbers: a mask looks at every row of the window, in each draw and for each segment.
    numbers = np.flatnonzero(rows)
    figure = bootstrap.average_precision(window.label[numbers], score[numbers])
    return lambda weight: figure(weight[numbers])


def _average_precision(gain: Gain, settings: GateSettings) -> Finding:
    sure = gain.at_least(settings.confidence)
    text = (
        f"average precision: {gain.challenger:.4f} against {gain.champion:.4f}, a difference of "
        f"{gain.value:+.4f}; with {settings.confidence:.0%} confidence at least {sure:+.4f}, and more than "
        f"{settings.margin:+g} is asked for"
    )
    return Finding("average precision", sure > settings.margin, text, _figures(gain, settings.margin, sure))


def _value_recall(gain: Gain, alerts_per_day: float, settings: GateSettings) -> Finding:
    sure = gain.at_least(settings.confidence)
    if np.isnan(gain.value):
        text = "value recall: no money was stolen in the data's main currency, so there is nothing to compare"
        return Finding("value recall", True, text, {})
    text = (
        f"value recall: of the stolen money {gain.challenger:.1%} against {gain.champion:.1%} in the "
        f"{alerts_per_day:g} highest scores a day, a difference of "
        f"{gain.value:+.4f}; with {settings.confidence:.0%} confidence at least {sure:+.4f}, and "
        f"{settings.value_margin:+g} is asked for"
    )
    return Finding(
        "value recall", sure >= settings.value_margin, text, _figures(gain, settings.value_margin, sure)
    )


def _segments(gains: dict[str, Gain], settings: GateSettings) -> Finding:
    """Judges every large segment: a fall counts when it is beyond the tolerance and beyond chance.

    Chance is that of the largest fall among all of them (`trainer.gate.falls`).
    """
    if not gains:
        text = "segments: none but the whole is large enough to be judged by itself"
        return Finding("segments", True, text, {})
    difference = np.array([gain.value for gain in gains.values()])
    replicates = np.column_stack([gain.replicates for gain in gains.values()])
    beyond_chance = surely_falls(difference, replicates, settings.confidence)
    fallen = [
        name
        for (name, gain), sure in zip(gains.items(), beyond_chance, strict=True)
        if gain.value < -settings.segment_tolerance and sure
    ]
    worst = min(gains, key=lambda name: gains[name].value)
    figures = {f"{name}.difference": gain.value for name, gain in gains.items()}
    figures["tolerance"] = settings.segment_tolerance
    if fallen:
        told = ", ".join(f"{name} ({gains[name].value:+.4f})" for name in fallen)
        text = f"segments: average precision falls by more than {settings.segment_tolerance:g} on {told}"
    else:
        text = (
            f"segments: on none of {len(gains)} large ones does average precision surely fall by more than "
            f"{settings.segment_tolerance:g}; the least is {worst} ({gains[worst].value:+.4f})"
        )
    return Finding("segments", not fallen, text, figures)


def _figures(gain: Gain, asked: float, sure: float) -> dict[str, float]:
    return {
        "challenger": gain.challenger,
        "champion": gain.champion,
        "difference": gain.value,
        "at_least": sure,
        "margin": asked,
    }
