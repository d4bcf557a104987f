"""Compiled code takes its columns from the catalogue by name; an order that it cannot write is refused."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from types import ModuleType

import pytest

from kuntur.features import FEATURE_NAMES, catalogue
from kuntur.features.kernel import columns

ColumnsOf = Callable[[list[str]], ModuleType]


@pytest.fixture
def columns_of(monkeypatch: pytest.MonkeyPatch) -> ColumnsOf:
    """Returns the module as it is made from a catalogue with these names."""

    def make(names: list[str]) -> ModuleType:
        monkeypatch.setattr(catalogue, "FEATURE_NAMES", tuple(names))
        monkeypatch.setattr(catalogue, "CATALOGUE", tuple(names))
        monkeypatch.setattr(catalogue, "feature_index", lambda: {name: i for i, name in enumerate(names)})
        spec = importlib.util.spec_from_file_location("columns_of_another_order", columns.__file__)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return make


def swapped(one: str, other: str) -> list[str]:
    names = list(FEATURE_NAMES)
    i, j = names.index(one), names.index(other)
    names[i], names[j] = names[j], names[i]
    return names


def test_another_order_is_another_order_of_what_is_written(columns_of: ColumnsOf) -> None:
    other = columns_of(swapped("amount", "is_foreign_currency"))
    assert other.OF_TRANSACTION.amount == columns.OF_TRANSACTION.is_foreign_currency
    assert other.OF_TRANSACTION.is_foreign_currency == columns.OF_TRANSACTION.amount
    other = columns_of(swapped("distance_km", "account_night_share"))
    assert other.OF_ACCOUNT.distance_km == columns.OF_ACCOUNT.account_night_share
    names = list(FEATURE_NAMES)
    moved = names[columns.CATEGORY_BLOCK.first :] + names[: columns.CATEGORY_BLOCK.first]
    other = columns_of(moved)
    assert other.CATEGORY_BLOCK.first == 0
    assert other.OF_TRANSACTION.amount == len(columns.OF_PROFILE)


def test_an_order_of_one_kind_that_the_others_lack_is_refused(columns_of: ColumnsOf) -> None:
    with pytest.raises(Exception, match="device are in another order than those of the merchant"):
        columns_of(swapped("device_count_1h", "device_mean_1h"))


def test_a_feature_among_those_of_another_kind_is_refused(columns_of: ColumnsOf) -> None:
    with pytest.raises(Exception, match="hour: among the features of another kind"):
        columns_of(swapped("hour", "account_burst_7d_30d"))


def test_a_feature_that_nothing_writes_is_refused(columns_of: ColumnsOf) -> None:
    with pytest.raises(Exception, match=": in the catalogue, but in no tuple"):
        columns_of([*FEATURE_NAMES, "another"])


def test_a_feature_that_is_written_and_not_in_the_catalogue_is_refused(columns_of: ColumnsOf) -> None:
    with pytest.raises(KeyError, match="distance_km"):
        columns_of([name for name in FEATURE_NAMES if name != "distance_km"])
