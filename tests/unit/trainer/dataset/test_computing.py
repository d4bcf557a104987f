"""Features into parts without Ray: what the tasks do, and transactions that were served late."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.time_zone import time_zone
from tests.property.histories import bits, make_history
from trainer.dataset.computing import Served, blocks_here, matrix_here, shard_parts, write_here, write_part
from trainer.dataset.keeping import Keeping, computed
from trainer.dataset.parts import PartStore
from trainer.dataset.shards import history, shards
from trainer.settings.searching import RaySettings

ROWS = 3_000
ZONE = time_zone("Europe/Madrid")
NAMES = (*FEATURE_NAMES, "attribute.risk_band")


@pytest.fixture(scope="module")
def served() -> Served:
    return Served(*make_history(ROWS, 3, late_share=0.02), ZONE)


@pytest.fixture(scope="module")
def attributes() -> np.ndarray:
    return np.random.default_rng(1).random((ROWS, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(served: Served, attributes: np.ndarray) -> np.ndarray:
    engine = FeatureEngine(zone=ZONE).replay(served.batch, served.outcomes)
    return np.column_stack([engine, attributes])


@pytest.mark.parametrize("part_rows", [700, 5_000])
def test_parts_by_shards_hold_the_history_bit_for_bit(
    tmp_path: Path, served: Served, attributes: np.ndarray, expected: np.ndarray, part_rows: int
) -> None:
    store = PartStore(tmp_path / "parts", ROWS, NAMES, part_rows)
    store.hold()
    whole, cut = history(served.batch, served.outcomes, ZONE), shards(ROWS, 2)
    given = [shard_parts(whole, shard, part_rows) for shard in cut]
    blocks = [of if isinstance(of, list) else [of] for of in given]
    for number in range(len(store)):
        write_part(store, number, whole, attributes, cut, *(of[number] for of in blocks))
    assert np.array_equal(bits(store.features().load()), bits(expected))


@pytest.mark.parametrize("part_rows", [700, 3_000])
def test_parts_by_this_process_are_the_same(
    tmp_path: Path, served: Served, attributes: np.ndarray, expected: np.ndarray, part_rows: int
) -> None:
    store, heard = PartStore(tmp_path / "parts", ROWS, NAMES, part_rows), []
    store.hold()
    write_here(served, attributes, store, heard.append)
    assert np.array_equal(bits(store.features().load()), bits(expected))
    assert heard == sorted(heard)
    assert heard[-1] == ROWS


def test_a_run_that_was_ended_goes_on_from_its_last_part(
    tmp_path: Path,
    served: Served,
    attributes: np.ndarray,
    expected: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeping = Keeping(tmp_path / "features", RaySettings(), lambda _: None)
    monkeypatch.setattr("trainer.dataset.keeping.PartStore", lambda *given: PartStore(*given, 700))

    def broken_off(done: int) -> None:
        if done > 2_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        computed(served, attributes, NAMES, ["data"], keeping, broken_off)
    (directory,) = keeping.directory.iterdir()
    before = {path.name: path.stat().st_mtime_ns for path in directory.glob("*.parquet")}
    assert sorted(before) == ["part-00000.parquet", "part-00001.parquet"]
    found = computed(served, attributes, NAMES, ["data"], keeping, lambda _: None)
    assert np.array_equal(bits(found.load()), bits(expected))
    assert all((directory / name).stat().st_mtime_ns == written for name, written in before.items())


def test_a_second_run_on_the_same_data_computes_nothing(
    tmp_path: Path, served: Served, attributes: np.ndarray, expected: np.ndarray
) -> None:
    heard: list[str] = []
    keeping = Keeping(tmp_path / "features", RaySettings(), heard.append)
    computed(served, attributes, NAMES, ["data"], keeping, lambda _: None)
    assert not heard

    def never(_: int) -> None:
        pytest.fail("features were computed again")

    found = computed(served, attributes, NAMES, ["data"], keeping, never)
    assert np.array_equal(bits(found.load()), bits(expected))
    assert heard == ["The features of these data are there from an earlier run"]
    done: list[int] = []
    computed(served, attributes, NAMES, ["other data"], keeping, done.append)
    assert done


@pytest.mark.parametrize("block_rows", [1, 250, 700, 5_000])
@pytest.mark.parametrize("late", [1, 40, ROWS])
def test_rows_served_late_are_given_in_their_place(served: Served, block_rows: int, late: int) -> None:
    order = np.argsort(np.arange(ROWS) + np.random.default_rng(2).integers(0, late, ROWS), kind="stable")
    arrived = Served(served.batch.rows(order), served.outcomes, ZONE, order.astype(np.int64))
    given = FeatureEngine(zone=ZONE).replay(arrived.batch, arrived.outcomes)
    expected = np.empty_like(given)
    expected[order] = given
    blocks = list(blocks_here(arrived, block_rows))
    assert [len(block) for block in blocks[:-1]] == [block_rows] * (len(blocks) - 1)
    assert np.array_equal(bits(np.concatenate(blocks)), bits(expected))


def test_no_transactions_have_no_features(served: Served) -> None:
    none = Served(served.batch.rows(slice(0, 0)), served.outcomes.rows(slice(0, 0)), ZONE)
    assert matrix_here(none).shape == (0, len(FEATURE_NAMES))
    assert list(blocks_here(none, 10)) == []
