"""For each kind of fraud and each segment: what the recipe found within the alert budget, and when.

Says nothing of other contenders, and changes nothing: it looks at scores that are final.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from trainer.backtest.contenders import RECIPE
from trainer.backtest.figures.found import Flags, Found, Judgeable, Part, found_of
from trainer.backtest.figures.incidents import FirstAlerts, first_alerts, incident_numbers
from trainer.backtest.folds import History
from trainer.backtest.run import Round
from trainer.evaluation.segments import OF_FRAUDS, Segment
from trainer.settings.config import TrainerSettings

ALL, NOT_NAMED, OTHERS = "all frauds", "(not named)", "(others)"
MOST_KINDS = 30  # more would be no kinds; those with the most frauds stay, the others go together
AMOUNT = "amount"
_BANDS = (0.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0)
_NO_AMOUNT = "0, or other currency"


@dataclass(frozen=True, slots=True)
class SegmentFound:
    """What was found in one segment, such as the channel MOBILE; segment: what it is one of."""

    segment: str
    found: Found


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found of everything, of each kind and in each segment.

    alerts_per_day: the budget; whole: all frauds; kinds: each kind, empty where none is named; first: the
    first alerts of the incidents by the name of the kind, all of them under ALL; segments: those with rows;
    left_out: kinds that nothing was learnt of.
    """

    alerts_per_day: float
    whole: Found
    kinds: tuple[Found, ...]
    first: Mapping[str, FirstAlerts]
    segments: tuple[SegmentFound, ...]
    left_out: tuple[str, ...] = ()


def findings(
    rounds: list[Round],
    history: History,
    kinds: pl.Series | None,
    segments: Mapping[str, Segment],
    settings: TrainerSettings,
) -> Findings:
    """Returns what the recipe found on the tests of all rounds.

    kinds: of every transaction of the history, "" where it is no fraud or not known; segments: of every
    transaction.
    """
    budget = settings.thresholds.review_alerts_per_day
    rows = _judgeable(rounds, budget)
    tested = np.concatenate([one.fold.test for one in rounds])
    code, names = _kind_codes(history.is_fraud, kinds)
    first, kind_of = _first_alerts(rounds, history, code, rows)
    legitimate = ~rows.label
    parts = [Part(ALL, rows.label, np.ones(len(rows.label), dtype=np.bool_), first)]
    firsts = {ALL: first}
    for number, name in enumerate(names):
        frauds = code[tested] == number
        if frauds.any():
            firsts[name] = first.take(kind_of == number)
            parts.append(Part(name, frauds, frauds | legitimate, firsts[name]))
    of_kinds = len(parts)
    titles = []
    for title, segment in ({AMOUNT: amount_bands(rows.amount)} | _tested(segments, tested)).items():
        for name in segment.names:
            here = segment.of(name)
            if here.any():
                titles.append(title)
                parts.append(Part(name, rows.label & here, here))
    found = found_of(parts, rows, settings.backtest.resamples, settings.backtest.seed)
    return Findings(
        budget,
        found[0],
        tuple(found[1:of_kinds]),
        firsts,
        tuple(SegmentFound(*pair) for pair in zip(titles, found[of_kinds:], strict=True)),
        settings.backtest.leave_out,
    )


def amount_bands(amount: npt.NDArray[np.float64]) -> Segment:
    """Returns the band of each amount. amount: float64 [n], 0 for none or one in another currency."""
    code = np.searchsorted(_BANDS, amount, side="right").astype(np.int32)
    code[amount <= 0] = 0
    between = [f"{low:,.0f} to {high:,.0f}" for low, high in itertools.pairwise(_BANDS[1:])]
    names = (_NO_AMOUNT, f"below {_BANDS[1]:,.0f}", *between, f"{_BANDS[-1]:,.0f} and more")
    return Segment(code, names)


def within_budget(score: npt.NDArray[np.float64], days: int, alerts_per_day: float) -> Flags:
    """Tells which rows of a test are alerts when exactly so many can be looked at, bool [n].

    Those that score highest; of equal scores the earlier ones. score: float64 [n], in event order.
    """
    alert = np.zeros(len(score), dtype=np.bool_)
    alert[np.argsort(-score, kind="stable")[: round(days * alerts_per_day)]] = True
    return alert


def _judgeable(rounds: list[Round], budget: float) -> Judgeable:
    scored = [one.judged[RECIPE].scored for one in rounds]
    return Judgeable(
        fold=np.repeat(np.arange(len(scored)), [len(rows) for rows in scored]),
        label=np.concatenate([rows.label for rows in scored]),
        score=np.concatenate([rows.score for rows in scored]),
        amount=np.concatenate([rows.amount for rows in scored]),
        account=np.concatenate([rows.account for rows in scored]),
        alert=np.concatenate([within_budget(rows.score, rows.days, budget) for rows in scored]),
    )


def _kind_codes(is_fraud: Flags, kinds: pl.Series | None) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Returns the number of each row's kind, int32 [n], -1 without fraud, and their names, most frauds first.

    Where no kind is named every fraud has number 0 and there are no names.
    """
    code = np.where(is_fraud, 0, -1).astype(np.int32)
    if kinds is None:
        return code, ()
    of_frauds = kinds.filter(pl.Series(is_fraud)).replace("", NOT_NAMED)
    counts = of_frauds.value_counts(name="frauds").sort(["frauds", kinds.name], descending=[True, False])
    names = [str(name) for name in counts[kinds.name]]
    if names in ([], [NOT_NAMED]):
        return code, ()
    kept = names[:MOST_KINDS]
    place = dict(zip(kept, range(len(kept)), strict=True))
    code[is_fraud] = of_frauds.replace_strict(place, default=len(kept), return_dtype=pl.Int32).to_numpy()
    return code, (*kept, *((OTHERS,) if len(names) > len(kept) else ()))


def _first_alerts(
    rounds: list[Round], history: History, code: npt.NDArray[np.int32], rows: Judgeable
) -> tuple[FirstAlerts, npt.NDArray[np.int32]]:
    """Returns the first alerts of the incidents that begin in a test, and the kind of each, int32 [m]."""
    incident = incident_numbers(history.event_time_us, history.account, code)
    frauds = np.flatnonzero(incident >= 0)
    begins = np.zeros(len(incident), dtype=np.bool_)
    begins[frauds[np.unique(incident[frauds], return_index=True)[1]]] = True
    found, kinds, offset = [], [], 0
    for one in rounds:
        test = one.fold.test
        here = slice(offset, offset + len(test))
        begun = np.isin(incident[test], incident[test[begins[test]]])
        first = first_alerts(
            np.where(begun, incident[test], -1),
            history.event_time_us[test],
            rows.amount[here],
            rows.alert[here],
        )
        kinds.append(code[test[first.row]])
        found.append((first.row + offset, first.place, first.hours, first.early))
        offset += len(test)
    return FirstAlerts(*(np.concatenate(column) for column in zip(*found, strict=True))), np.concatenate(
        kinds
    )


def _tested(segments: Mapping[str, Segment], tested: npt.NDArray[np.int64]) -> dict[str, Segment]:
    return {title: segment.rows(tested) for title, segment in segments.items() if title != OF_FRAUDS}
