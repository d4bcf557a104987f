"""Which transactions the rules of attributes refuse, and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from kuntur.validation.messages import Violation
from kuntur.wire import Reading
from server.scoring import AttributeRules
from tests.property.histories import make_history

NAN = float("nan")
WANTED = frozenset({"bureau_score", "limit"})


def reading(rows: int, attributes: dict[str, list[float]]) -> Reading:
    """A frame of which the second transaction was refused for something else."""
    batch, _ = make_history(rows, 1)
    batch.attributes.update({name: np.array(values) for name, values in attributes.items()})
    places = np.array([0, *range(2, rows + 1)])
    return Reading(
        [str(place) for place in range(rows + 1)], batch, places, {1: [Violation("type", "is odd")]}
    )


def refused(rules: AttributeRules, given: Reading, wanted: frozenset[str] = WANTED) -> dict[int, list[str]]:
    kept = rules.kept(given, wanted, "v1")
    assert kept.violations[1] == [Violation("type", "is odd")]
    assert len(kept.batch) == len(kept.places) == len(given.batch) - (len(kept.violations) - 1)
    assert not set(kept.places.tolist()) & set(kept.violations)
    return {
        place: [f"{v.field} {v.description}" for v in found]
        for place, found in kept.violations.items()
        if place != 1
    }


FRAME = {"burau_score": [NAN, 7.0, NAN], "limit": [1.0, 2.0, NAN], "bureau_score": [1.0, NAN, 3.0]}
MISTYPED = (
    "attributes[\"burau_score\"] is no attribute of the live model v1; did you mean 'bureau_score'? "
    "It takes bureau_score, limit"
)


def test_a_mistyped_attribute_is_refused_with_the_name_that_was_meant() -> None:
    unknown = AttributeRules(refuse_unknown=True, refuse_missing=False)
    assert refused(unknown, reading(3, FRAME)) == {2: [MISTYPED]}


def test_a_missing_attribute_is_refused() -> None:
    missing = AttributeRules(refuse_unknown=False, refuse_missing=True)
    told = "is required by the live model v1"
    assert refused(missing, reading(3, FRAME)) == {
        2: [f'attributes["bureau_score"] {told}'],
        3: [f'attributes["limit"] {told}'],
    }


def test_both_are_told_of_one_transaction() -> None:
    both = AttributeRules(refuse_unknown=True, refuse_missing=True)
    assert [told[:25] for told in refused(both, reading(3, FRAME))[2]] == [
        'attributes["burau_score"]',
        'attributes["bureau_score"'[:25],
    ]


def test_a_frame_in_which_all_is_well_stays_the_same() -> None:
    both = AttributeRules(refuse_unknown=True, refuse_missing=True)
    given = reading(2, {"bureau_score": [1.0, 2.0], "limit": [3.0, 4.0]})
    assert both.kept(given, WANTED, "v1") is given


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (frozenset[str](), "is no attribute of the live model v1, which takes none"),
        (frozenset({"age"}), "is no attribute of the live model v1; it takes age"),
    ],
)
def test_a_name_like_none_is_told_what_there_is(wanted: frozenset[str], told: str) -> None:
    unknown = AttributeRules(refuse_unknown=True, refuse_missing=False)
    assert refused(unknown, reading(1, {"burau_score": [1.0]}), wanted) == {
        0: [f'attributes["burau_score"] {told}']
    }


def test_of_many_names_the_first_are_told() -> None:
    unknown = AttributeRules(refuse_unknown=True, refuse_missing=False)
    wanted = frozenset(f"limit_{number:02}" for number in range(64))
    (told,) = refused(unknown, reading(1, {"zzz": [1.0]}), wanted)[0]
    assert told.endswith("limit_18, limit_19, …")


def test_without_a_setting_nothing_is_looked_at() -> None:
    assert not AttributeRules(refuse_unknown=False, refuse_missing=False)
