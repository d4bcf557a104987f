"""The judgement: what a new model must be shown to be before it takes the place of the live one."""

from __future__ import annotations

from trainer.gate.comparison import comparison_findings
from trainer.gate.contenders import Challenger, Champion, JudgingWindow, NoChampion, microseconds
from trainer.gate.own import own_findings
from trainer.gate.verdict import Finding, Verdict, pronounced, standing, unopposed
from trainer.settings.judging import GateSettings
from trainer.sources.split import iso


def judge(
    challenger: Challenger,
    champion: Champion | NoChampion,
    window: JudgingWindow,
    alerts_per_day: float,
    settings: GateSettings,
    *,
    force: bool = False,
) -> Verdict:
    """Compares the exported models on the newest labelled window.

    alerts_per_day: at how many alerts the stolen money that is caught is compared; force: whether it goes
    live whatever is found. A champion that learnt from a part of the window is compared on the rest, since
    its scores of what it learnt from prove nothing; where too little is left, nothing was shown and the
    champion stays.
    """
    probability = challenger.scores(window)
    own = own_findings(challenger, probability, window, settings)
    if isinstance(champion, NoChampion):
        return unopposed(challenger.model_version, champion.reason, champion.model_version, own, force=force)
    version = champion.manifest.model_version
    if version == challenger.model_version:
        return standing(version, own)
    unseen, rows = champion.unseen(window), window.rows_since(microseconds(champion.learnt_until))
    fair = _fairness(champion, window, unseen, settings)
    compared = own if not fair.passed else comparison_findings(
        probability[rows], champion.scores[rows], unseen, alerts_per_day, settings,
    ) + own  # fmt: skip
    return pronounced(challenger.model_version, version, (fair, *compared), force=force)


def _fairness(
    champion: Champion, window: JudgingWindow, unseen: JudgingWindow, settings: GateSettings
) -> Finding:
    frauds, others = int(unseen.label.sum()), int((~unseen.label).sum())
    validated = microseconds(champion.manifest.window.validation_end_time)
    parts = [f"comparison: on {len(unseen):,} transactions with {frauds:,} frauds, {_span(unseen)}"]
    if len(unseen) < len(window):
        parts.append(
            f"the champion learnt from transactions until {champion.learnt_until}, so that those of the "
            "window before then are left out"
        )
    elif champion.manifest.refit is not None and not champion.served:
        parts.append(
            "both by the fits that were judged: each is fitted again on later transactions before it is "
            "served"
        )
    if unseen.start_us < validated:
        parts.append("the champion was chosen and calibrated on part of these, which can only favour it")
    enough = frauds >= settings.min_frauds and others > 0
    if not enough:
        parts.append(
            f"that decides nothing, at least {settings.min_frauds} frauds are needed: give newer data or "
            "widen split.test_days"
        )
    figures = {"rows": float(len(unseen)), "frauds": float(frauds), "min_frauds": float(settings.min_frauds)}
    return Finding("comparison", enough, "; ".join(parts), figures)


def _span(window: JudgingWindow) -> str:
    return f"{iso(window.start_us)} to {iso(window.end_us)}"
