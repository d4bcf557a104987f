"""Features in parts without Ray: what the tasks do, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.time_zone import time_zone
from tests.property.histories import bits, make_history
from trainer.dataset.shards import history, shards
from trainer.fitting.distributed import (
    LABEL,
    TIME,
    DistributedError,
    fit,
    note_complete,
    shard_blocks,
    write_block,
)
from trainer.models.recipe import Recipe
from trainer.models.recipes import shipped_recipe


@pytest.mark.parametrize("block_rows", [700, 5_000])
def test_the_parts_hold_the_history_bit_for_bit_in_its_order(tmp_path: Path, block_rows: int) -> None:
    batch, outcomes = make_history(3_000, 3, late_share=0.02)
    label = np.arange(3_000) % 7 == 0
    zone = time_zone("Europe/Madrid")
    whole, cut = history(batch, outcomes, zone), shards(3_000, 2)
    given = [shard_blocks(whole, shard, block_rows) for shard in cut]
    blocks = [of if isinstance(of, list) else [of] for of in given]
    for number, start in enumerate(range(0, 3_000, block_rows)):
        rows = slice(start, min(start + block_rows, 3_000))
        path = tmp_path / f"part-{number:05}.parquet"
        write_block(path, whole, label, rows, cut, *(of[number] for of in blocks))
    frame = pl.read_parquet(sorted(tmp_path.glob("*")))
    features = frame.select(FEATURE_NAMES).to_numpy(order="c")
    assert np.array_equal(bits(features), bits(FeatureEngine(zone=zone).replay(batch, outcomes)))
    assert np.array_equal(frame[LABEL].to_numpy(), label)
    assert np.array_equal(frame[TIME].to_numpy(), batch.ints[:, 0])


def refusal(directory: Path, recipe: Recipe, workers: int = 1) -> str:
    with pytest.raises(DistributedError) as caught:
        fit(directory, recipe, 10, workers=workers, threads=1, seed=1, work=directory)
    return str(caught.value)


def test_what_cannot_be_fitted_on_several_nodes_is_said_before_any_work(tmp_path: Path) -> None:
    plain = dict(shipped_recipe().parameters) | {"imbalance": "none", "history_days": 0, "columns": 0}
    assert "has no parts" in refusal(tmp_path, Recipe(plain))
    pl.DataFrame({TIME: [5], LABEL: [True]}).write_parquet(tmp_path / "part-00000.parquet")
    note_complete(tmp_path, 1)
    assert "too few for 2 workers" in refusal(tmp_path, Recipe(plain), workers=2)
    assert "set it to 'none'" in refusal(tmp_path, Recipe(plain | {"imbalance": "smote"}))
    assert "not random_forest" in refusal(tmp_path, Recipe(plain | {"algorithm": "random_forest"}))


def test_parts_that_are_missing_are_told_and_not_gone_on_without(tmp_path: Path) -> None:
    plain = Recipe(dict(shipped_recipe().parameters) | {"imbalance": "none", "history_days": 0, "columns": 0})
    for number in range(3):
        pl.DataFrame({TIME: [5], LABEL: [True]}).write_parquet(tmp_path / f"part-{number:05}.parquet")
    assert "did not come to its end" in refusal(tmp_path, plain)
    note_complete(tmp_path, 4)
    assert "should hold 4 parts and holds 3, see part-00003.parquet" in refusal(tmp_path, plain)
    note_complete(tmp_path, 3)
    (tmp_path / "part-00001.parquet").unlink()
    assert "should hold 3 parts and holds 2, see part-00001.parquet" in refusal(tmp_path, plain)
    (tmp_path / "parts.json").write_text("[")
    assert "no valid parts.json" in refusal(tmp_path, plain)
