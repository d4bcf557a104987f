from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, Table, read, to_batch, to_outcomes
from kuntur.time_zone import time_zone
from trainer.dataset.features import Features
from trainer.dataset.history import main_currency
from trainer.dataset.training_set import Dataset, build, informative
from trainer.leakage.causality import check_causality
from trainer.sources.labels import known_at
from trainer.sources.quality import quality_profile
from trainer.synthetic import SyntheticConfig, generate

SECRET = secret_from_hex(DEFAULT_HASH_KEY)
HOUR_US = 3_600_000_000
UNTIL = datetime(2024, 2, 1, tzinfo=UTC)
CONFIG = SyntheticConfig(
    transactions=1_200, accounts=100, merchants=400, days=45, fraud_rate=0.05, fraud_delay_median_days=2
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """45 days of transactions with two attributes, one of them far beyond float32 in places."""
    path: Path = tmp_path_factory.mktemp("data") / "transactions.parquet"
    frame = generate(CONFIG).drop("fraud_cause")
    row = pl.int_range(pl.len())
    frame.with_columns(
        pl.when(row % 3 == 0).then(row * 0.5).alias("attribute.risk_band"),
        pl.when(row % 100 == 7).then(1e300).otherwise(-1.0).alias("attribute.limit"),
    ).write_parquet(path)
    return read([str(path)], Mapping.load("kuntur"))


def built(table: Table) -> Dataset:
    done: list[int] = []
    return build(table, SECRET, done.append)


def bits(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint32)


def test_features_are_those_that_serving_one_by_one_would_have_given(table: Table) -> None:
    batch = to_batch(table.frame, SECRET)
    outcomes, _ = to_outcomes(table.frame, batch.keys)
    times = batch.ints[:, 0]
    engine, reported = FeatureEngine(), 0
    served = []
    for row in range(len(batch)):
        due = int(np.searchsorted(outcomes.reported_time_us // HOUR_US, times[row] // HOUR_US))
        engine.report(outcomes.rows(slice(reported, due)))
        reported = max(reported, due)
        served.append(engine.process(batch.rows(slice(row, row + 1)))[0])
    found = built(table).features.load()[:, : len(FEATURE_NAMES)]
    assert np.array_equal(bits(np.ascontiguousarray(found)), bits(np.array(served)))


def test_columns_are_the_catalogue_and_then_the_attributes(table: Table) -> None:
    found = built(table)
    assert found.names[: len(FEATURE_NAMES)] == FEATURE_NAMES
    assert set(found.names[len(FEATURE_NAMES) :]) == {"attribute.limit", "attribute.risk_band"}
    assert found.features.shape == (1_200, len(found.names))
    band = found.features.load()[:, found.names.index("attribute.risk_band")]
    assert np.isnan(band[1])
    assert band[[0, 3, 6]].tolist() == [0.0, 1.5, 3.0]


def test_an_attribute_beyond_float32_counts_as_the_largest_float32(table: Table) -> None:
    found = built(table)
    limit = found.features.load()[:, found.names.index("attribute.limit")]
    assert np.isfinite(limit).all()
    assert limit[7] == np.finfo(np.float32).max


def test_rows_carry_their_time_and_label(table: Table) -> None:
    found = built(table)
    frame = table.frame
    assert found.event_time_us.tolist() == frame["event_time"].dt.timestamp("us").to_list()
    assert found.is_fraud.sum() == CONFIG.frauds


def test_amounts_are_in_the_most_frequent_currency_and_0_in_another(table: Table) -> None:
    found, frame = built(table), table.frame
    assert found.currency == "PEN"
    soles = (frame["currency_code"] == "PEN").to_numpy()
    assert 0 < soles.sum() < len(frame)
    assert found.amount.tolist() == np.where(soles, frame["amount_minor"].to_numpy() / 100, 0).tolist()


@pytest.mark.parametrize(
    ("codes", "main"),
    [(["USD", "PEN", "USD"], "USD"), (["USD", "PEN", "PEN", "USD"], "PEN"), ([], "")],
)
def test_the_main_currency_is_the_most_frequent_and_then_the_first_by_name(
    codes: list[str], main: str
) -> None:
    assert main_currency(pl.Series("currency_code", codes, dtype=pl.String)) == main


def test_a_row_without_label_is_not_fraud_and_never_reported(table: Table) -> None:
    bare = table.frame.with_columns(
        pl.lit(None, dtype=pl.Boolean).alias("is_fraud"),
        pl.lit(None, dtype=table.frame.schema["reported_time"]).alias("reported_time"),
    )
    found = built(Table(bare, table.rejects))
    assert not found.is_fraud.any()
    assert not len(found.outcomes.row)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), days_before=st.integers(0, 20))
def test_labels_reported_after_the_present_have_no_influence(
    table: Table, seed: int, days_before: int
) -> None:
    until = UNTIL - timedelta(days=days_before)
    chance, frame = np.random.default_rng(seed), table.frame
    later = frame["reported_time"] > until
    drawn = pl.Series(chance.random(len(frame)) < 0.5)
    shift = pl.Series(chance.integers(1, 60 * 24, len(frame))) * pl.duration(minutes=1)
    other = frame.with_columns(
        pl.when(later).then(drawn).otherwise(pl.col("is_fraud")).alias("is_fraud"),
        pl.when(later).then(pl.lit(until) + shift).otherwise(pl.col("reported_time")).alias("reported_time"),
    )
    known, same = known_at(table, until), known_at(Table(other, table.rejects), until)
    assert known.data_hash == same.data_hash
    assert quality_profile(known) == quality_profile(same)
    first, second = built(known), built(same)
    assert np.array_equal(bits(first.features.load()), bits(second.features.load()))
    assert first.is_fraud.tolist() == second.is_fraud.tolist()
    assert first.outcomes.reported_time_us.tolist() == second.outcomes.reported_time_us.tolist()


def test_a_label_reported_at_the_present_moment_is_known(table: Table) -> None:
    until = table.frame["reported_time"][600]
    found = built(known_at(table, until))
    known = table.frame["reported_time"] <= until
    assert sorted(found.outcomes.row.tolist()) == np.flatnonzero(known.to_numpy()).tolist()


def test_informative_columns_are_those_that_vary() -> None:
    unset = np.nan
    features = np.array(
        [[1, unset, 1, unset, 0.0, 5], [1, unset, unset, 2, -0.0, 5], [1, unset, 1, 2, 0.0, 6]],
        dtype=np.float32,
    )
    assert informative(Features.of(features)).tolist() == [False, False, True, True, False, True]


def test_no_column_of_no_rows_is_informative() -> None:
    assert informative(Features.of(np.zeros((0, 3), dtype=np.float32))).tolist() == [False] * 3


def test_accounts_of_an_institution_and_merchants_of_all_are_numbered_by_first_appearance(
    table: Table,
) -> None:
    found, frame = built(table), table.frame
    for numbers, key in (
        (found.account, ("institution_id", "account_id")),
        (found.merchant, ("merchant_id",)),
    ):
        first_seen: dict[tuple[str, ...], int] = {}
        for row, ids in enumerate(frame.select(key).iter_rows()):
            number = first_seen.setdefault(ids, len(first_seen))
            assert numbers[row] == (-1 if ids[-1] == "" else number)
    assert (found.merchant == -1).any()


def test_rows_keep_their_place_in_the_source_and_their_segments(table: Table) -> None:
    found, frame = built(table), table.frame
    assert found.source_row.tolist() == frame["source_row"].to_list()
    institution = found.segments["institution"]
    assert [institution.names[code] for code in institution.code] == frame["institution_id"].to_list()
    assert len(found.segments["channel"].code) == len(frame)


def test_hours_are_those_of_the_zone_and_no_column_is_taken_for_a_leak_of_it(table: Table) -> None:
    madrid = time_zone("Europe/Madrid")
    found = build(table, SECRET, lambda _: None, zone=madrid)
    local = table.frame["event_time"].dt.convert_time_zone("Europe/Madrid")
    hour = found.features.load()[:, found.names.index("hour")]
    assert hour.tolist() == local.dt.hour().to_list()
    assert found.zone is madrid
    assert check_causality(table, found, SECRET).differing == {}
