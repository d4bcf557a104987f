"""A backtest for the person who ran it: the recipe beside the baselines, and fold by fold, in 80 columns."""

from __future__ import annotations

import math

from rich import box
from rich.console import Console
from rich.table import Table

from trainer.backtest.contenders import RECIPE, TITLES
from trainer.backtest.run import Round
from trainer.backtest.summary import Summary
from trainer.evaluation.bootstrap import Interval

_SHORT = {
    "auc_roc": "AUC ROC",
    "f1": "F1",
    "recall_by_value": "money caught",
    "alerts_per_day": "alerts a day",
    "brier": "Brier score",
    "expected_calibration_error": "calibration error",
}
_GAINS = ("auc_roc", "average_precision", "card_precision", "review_recall_by_value")
_HEADS = {
    "constant": "constant",
    "amount": "amount",
    "logistic_regression": "logistic",
    "plain_xgboost": "plain XGB",
}


def show(rounds: list[Round], summary: Summary, console: Console) -> None:
    """Prints the figures: their mean over folds with the interval beside baselines, then each fold's."""
    console.print("", _beside_baselines(rounds, summary), "", sep="\n")
    if summary.gains:
        console.print(_gains(summary), "", sep="\n")
    console.print(_by_fold(rounds, summary), "", sep="\n")


def _table(title: str) -> Table:
    # The box sets a blank between columns; more of them would not fit into 80.
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=0, show_edge=False
    )


def _beside_baselines(rounds: list[Round], summary: Summary) -> Table:
    table = _table("Of one fold" if len(rounds) == 1 else f"Mean of {len(rounds)} folds")
    for head in ("", TITLES[RECIPE], "95 %", *(_HEADS[name] for name in summary.gains)):
        table.add_column(head, justify="right" if head else "left", no_wrap=True)
    for name, figure in summary.figures[RECIPE].items():
        others = (_number(summary.figures[contender][name].mean.value) for contender in summary.gains)
        table.add_row(_title(name), _number(figure.mean.value), _between(figure.mean), *others)
    return table


def _gains(summary: Summary) -> Table:
    table = _table("What it gains (95 %), the same accounts drawn for both")
    names = [name for name in summary.figures[RECIPE] if name.split("@")[0] in _GAINS]
    for head in ("over", *map(_title, names)):
        table.add_column(head, justify="left" if head == "over" else "right")
    for contender, gains in summary.gains.items():
        cells = (f"{gains[name].value:+.4f}\n{_between(gains[name])}" for name in names)
        table.add_row(TITLES[contender], *cells)
    return table


def _by_fold(rounds: list[Round], summary: Summary) -> Table:
    table = _table("Fold by fold, tested from")
    table.add_column("")
    for head in (*(f"{one.fold.test_start}" for one in rounds), "std"):
        table.add_column(head, justify="right")
    scored = [one.judged[RECIPE].scored for one in rounds]
    table.add_row("learnt from", *(f"{len(one.fold.training):,}" for one in rounds))
    table.add_row("  known frauds", *(f"{one.training_frauds:,}" for one in rounds))
    table.add_row("tested on", *(f"{len(rows):,}" for rows in scored))
    table.add_row("  frauds", *(f"{int(rows.label.sum()):,}" for rows in scored))
    table.add_row("left, card known", *(f"{one.fold.removed:,}" for one in rounds), end_section=True)
    for name, figure in summary.figures[RECIPE].items():
        values = (_number(value) for value in (*(fold.value for fold in figure.folds), figure.std))
        table.add_row(_title(name), *values)
    return table


def _title(name: str) -> str:
    threshold, _, rest = name.partition("_")
    if threshold in ("review", "decline"):
        return f"{threshold.upper()} {_SHORT.get(rest, rest.replace('_', ' '))}"
    return _SHORT.get(name, name.replace("_", " "))


def _number(value: float, decimals: int = 4) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.{decimals}f}"


def _between(interval: Interval) -> str:
    if math.isnan(interval.low):
        return ""
    joint = " to " if interval.low < 0 else "–"
    return joint.join(_number(end, decimals=3) for end in (interval.low, interval.high))
