"""Every feature is what it was, to the bit, for as long as its revision is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kuntur.features import CATALOGUE, FEATURE_NAMES, catalogue_fingerprint
from tests.unit.kernel.features.golden import outputs


def test_the_golden_history_is_the_one_that_the_file_was_made_from() -> None:
    _, history, _ = outputs.read()
    assert outputs.history_digest() == history


def test_no_feature_is_computed_otherwise_under_the_same_revision() -> None:
    _, _, golden = outputs.read()
    changed = outputs.changed_unrevised(outputs.computed(outputs.outputs()), golden)
    assert not changed, (
        f"computed otherwise than before: {', '.join(changed)}; if that is meant, raise their revision in "
        f"the catalogue and run {outputs.COMMAND}"
    )


def test_no_definition_is_new_or_changed_without_the_file() -> None:
    catalogue, _, golden = outputs.read()
    definitions = {name: entry.fingerprint for name, entry in golden.items()}
    assert definitions == {feature.name: feature.fingerprint for feature in CATALOGUE}, outputs.COMMAND
    assert list(definitions) == list(FEATURE_NAMES), outputs.COMMAND
    assert {name: entry.revision for name, entry in golden.items()} == {f.name: f.revision for f in CATALOGUE}
    assert catalogue_fingerprint() == catalogue


def test_a_single_bit_and_a_single_unset_value_name_the_feature() -> None:
    golden = outputs.computed(outputs.outputs())
    matrices = {zone: matrix.copy() for zone, matrix in outputs.outputs().items()}
    amount, risk = FEATURE_NAMES.index("amount"), FEATURE_NAMES.index("device_risk_7d")
    matrices["Europe/Madrid"].view(np.uint32)[17, amount] ^= 1
    matrices["America/Lima"][18, risk] = 0.5 if np.isnan(matrices["America/Lima"][18, risk]) else np.nan
    found = outputs.computed(matrices)
    assert outputs.changed_unrevised(found, golden) == ["amount", "device_risk_7d"]
    found["amount"] = replace(found["amount"], revision=found["amount"].revision + 1)
    assert outputs.changed_unrevised(found, golden) == ["device_risk_7d"]


def test_the_golden_history_brings_every_feature_to_its_values() -> None:
    matrix = outputs.outputs()[outputs.ZONES[0]]
    for column, feature in enumerate(CATALOGUE):
        values = matrix[:, column]
        unset = np.isnan(values)
        assert len(np.unique(values[~unset])) >= 2, feature.name
        assert unset.any() or not outputs.may_be_unset(feature), feature.name


def test_features_in_hours_and_days_of_a_zone_are_those_that_the_catalogue_says() -> None:
    assert outputs.zone_dependent(outputs.outputs()) == {f.name for f in CATALOGUE if f.local}
