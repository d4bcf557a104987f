"""What a validator should know first, in sentences from the document alone; a mark where one is a concern."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from trainer.card.words import ends, figure, share, spoken
from trainer.wording import counted

Document = Mapping[str, Any]
_MANY_FRAUDS = 100  # below, every figure of the test window is of few cases
_AREA = "average_precision"
_BY_CHANCE = 20  # one bin in so many is off at 95 %


class Point(NamedTuple):
    """A sentence; concern: whether somebody should look into it before approving."""

    text: str
    concern: bool


def points(document: Document) -> list[Point]:
    """Returns the points in the order of the page; none where the validation was not made."""
    if document["validation"] is None:
        return []
    return [*_window(document), *_comparisons(document), *_weaknesses(document), *_life(document)]


def _window(document: Document) -> Iterator[Point]:
    metrics, folds = document["evaluation"]["metrics"], document["validation"]["folds"]
    frauds = metrics["frauds"]
    few = frauds < _MANY_FRAUDS
    yield Point(
        f"{figure(frauds)} frauds among {figure(metrics['rows'])} transactions judge it"
        f"{': few, so look at the intervals and not at the figures alone' if few else ''}.",
        few,
    )
    spread = folds["spread"].get(_AREA)
    if spread is None:
        yield Point(f"No earlier window stands beside the test window: {folds['missing']}.", True)
        return
    lucky = spread["test"] > spread["most"]
    place = "above all" if lucky else "below all" if spread["test"] < spread["least"] else "within those"
    yield Point(
        f"Average precision on the test window is {figure(spread['test'], _AREA)}, {place} of "
        f"{counted(len(folds['folds']), 'earlier window')} ({ends(spread['least'], spread['most'], _AREA)}).",
        lucky,
    )


def _comparisons(document: Document) -> Iterator[Point]:
    simple = document["validation"]["benchmark"]["contenders"][1:]
    if simple:
        best = max(simple, key=lambda each: each["figures"][_AREA]["value"] or 0.0)
        gain = best["gain"]
        sure = gain["low"] is not None and gain["low"] > 0
        yield Point(
            f"The best of the simple means, {best['name']}, reaches "
            f"{figure(best['figures'][_AREA]['value'], _AREA)}; the model is "
            f"{'surely' if sure else 'not surely'} better "
            f"({figure(gain['value'], 'gain')}, {ends(gain['low'], gain['high'], 'gain')}).",
            not sure,
        )
    parts = document["validation"]["calibration"]
    bins = parts["by_expected_frauds"]
    off = sum(not each["holds"] for each in bins)
    around = [name.upper() for name, each in parts["around"].items() if each and not each["holds"]]
    wrong = off > max(1, len(bins) / _BY_CHANCE) or bool(around)
    near = f", and those around the {' and '.join(around)} threshold" if around else ""
    yield Point(f"Probabilities are off in {off} of {len(bins)} parts{near}.", wrong)


def _weaknesses(document: Document) -> Iterator[Point]:
    validation = document["validation"]
    whole = validation["misses"]["whole"]
    reasons = [each for each in validation["misses"]["reasons"] if (each["of_missed"]["value"] or 0) > 0]
    first = f"; what sets them apart most: {reasons[0]['text']}" if whole["missed"] and reasons else ""
    yield Point(f"It misses {share(whole['missed_share']['value'])} of the frauds{first}.", False)
    found = validation["fairness"]["found"]
    marked = [
        f"{each['by']} {spoken(each['name'])}"
        for each in found["groups"]
        if each["more_false_alerts"] or each["less_recall"]
    ]
    if marked:
        yield Point(f"Customers who fare worse than all, beyond chance: {', '.join(marked)}.", True)
    else:
        known = ", ".join(found["by"]) or "nothing"
        yield Point(f"No group of customers fares worse beyond chance; known of them: {known}.", False)
    sources, base = validation["sensitivity"]["sources"], validation["sensitivity"]["base"]
    if sources and base[_AREA] is not None and sources[0][_AREA] is not None:
        yield Point(
            f"It depends most on one source: without {sources[0]['name']} average precision is "
            f"{figure(sources[0][_AREA], _AREA)} instead of {figure(base[_AREA], _AREA)}.",
            sources[0][_AREA] < base[_AREA] / 2,
        )


def _life(document: Document) -> Iterator[Point]:
    plan = document["validation"]["monitoring"]
    who = f", and {plan['who']} acts" if plan["who"] else "; nobody is named who acts (card.owner)"
    yield Point(
        f"It is to be validated again by {plan['review_by']} and retired from {plan['retire_by']}{who}.",
        not plan["who"],
    )
