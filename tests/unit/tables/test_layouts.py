"""Data that nobody wrote for Kuntur come in by a mapping alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.layouts import shops
from kuntur.tables import Mapping, read

LAYOUTS = Path(shops.__file__).parent


def test_shops_with_words_for_ids_and_categories_come_in_whole(tmp_path: Path) -> None:
    path = tmp_path / "shops.csv"
    written = shops.make(path, holders=60, days=30, seed=3)
    table = read((str(path),), Mapping.load(LAYOUTS / "shops.toml"))
    assert (len(table), table.rejects.rows_rejected) == (written, 0)
    assert set(table.frame["merchant_category_code"].str.len_chars()) == {4}
    assert 0 < table.frame["is_fraud"].mean() < 0.1
    assert table.frame["merchant_latitude"].null_count() == 0


def test_the_same_seed_makes_the_same_shops(tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        shops.make(tmp_path / name, holders=20, days=10, seed=3)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_synccfd_comes_in_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synccfd import DatasetGenerator

    monkeypatch.setenv("TQDM_DISABLE", "1")
    generator = DatasetGenerator(
        n_customers=40, n_terminals=80, nb_days=8, start_date="2024-01-01", random_state=7
    )
    made = generator.generate()[2]
    path = tmp_path / "synccfd.parquet"
    made.to_parquet(path)
    table = read((str(path),), Mapping.load(LAYOUTS / "synccfd.toml"))
    assert (len(table), table.rejects.rows_rejected) == (len(made), 0)
    assert table.frame["is_fraud"].sum() == made["TX_FRAUD"].sum()
    assert sorted(table.frame["channel"].unique()) == [1, 2]
    assert "TX_FRAUD_SCENARIO" not in repr(Mapping.load(LAYOUTS / "synccfd.toml").columns)
