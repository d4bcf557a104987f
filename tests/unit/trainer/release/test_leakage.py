from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, Table, read
from trainer.dataset.features import Features
from trainer.dataset.training_set import Dataset, build
from trainer.leakage import LeakageError, check
from trainer.leakage.causality import check_causality
from trainer.leakage.neighbours import Neighbourhood, known_from_us, neighbourhoods
from trainer.settings.judging import LeakageSettings
from trainer.sources.labels import KnownOutcomes
from trainer.synthetic import SyntheticConfig, generate

SECRET = secret_from_hex(DEFAULT_HASH_KEY)
CONFIG = SyntheticConfig(transactions=6_000, accounts=150, merchants=400, days=60, fraud_rate=0.05)
USUAL = LeakageSettings()


def next_fraud(frame: pl.DataFrame, by: str | None, shift: int) -> pl.Series:
    fraud = pl.col("is_fraud").fill_null(value=False).cast(pl.Float64).shift(-shift)
    return frame.select(fraud if by is None else fraud.over(by)).to_series().fill_null(0.0)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Table:
    path: Path = tmp_path_factory.mktemp("data") / "transactions.parquet"
    generate(CONFIG).drop("fraud_cause").write_parquet(path)
    return read([str(path)], Mapping.load("kuntur"))


def with_columns(table: Table, **columns: object) -> Table:
    series = [pl.Series(f"attribute.{name}", values) for name, values in columns.items()]
    return replace(table, frame=table.frame.with_columns(series))


def checked(table: Table, settings: LeakageSettings = USUAL) -> dict[str, object]:
    dataset = build(table, SECRET, lambda _: None)
    training = np.arange(len(dataset) // 10, 2 * len(dataset) // 3)
    document = check(table, SECRET, dataset, training, settings).document()
    assert json.loads(json.dumps(document)) == document
    return document


def test_honest_columns_pass_and_the_report_tells_what_was_asked(clean: Table) -> None:
    frame = clean.frame
    chance = np.random.default_rng(4)
    fraud = frame["is_fraud"].fill_null(value=False).to_numpy()
    table = with_columns(
        clean,
        noise=chance.normal(size=len(frame)),
        # Tells most of the fraud, as a good score of another system would.
        good_score=fraud + chance.normal(0, 0.5, len(frame)),
        sparse=np.where(chance.random(len(frame)) < 0.05, 1.0, np.nan),
    )
    document = checked(table)
    assert document["questions"] > 20
    assert "gave the same bits" in str(document["text"])
    assert document["columns"][0]["name"] == "attribute.good_score"  # type: ignore[index]
    assert document["causality"]["rows"] == len(frame) // 2  # type: ignore[index]


def test_the_label_is_found_in_every_guise_and_by_name(clean: Table) -> None:
    frame, chance = clean.frame, np.random.default_rng(4)
    label = frame["is_fraud"].fill_null(value=False).to_numpy().astype(np.float64)
    leaks = {
        "itself": label,
        "scaled": 2 * label + 3,
        "negated": -label,
        "with_noise": label + chance.normal(0, 0.1, len(label)),
        "of_next_row": next_fraud(frame, None, 1),
        "of_previous_row": next_fraud(frame, None, -1),
        "of_fifth_next_row": next_fraud(frame, None, 5),
        "of_next_in_account": next_fraud(frame, "account_id", 1),
        "of_previous_in_account": 5 - 2 * next_fraud(frame, "account_id", -1),
        "of_next_at_merchant": next_fraud(frame, "merchant_id", 1),
        "coming_at_merchant": sum(next_fraud(frame, "merchant_id", ahead) for ahead in (1, 2, 3)),
        "filled_in_later": np.where((label == 1) & (chance.random(len(label)) < 0.4), 7.0, np.nan),
    }
    with pytest.raises(LeakageError) as raised:
        checked(with_columns(clean, **leaks))
    told = {line.split(":")[0].strip() for line in str(raised.value).splitlines() if line.startswith("  ")}
    assert told == {f"attribute.{name}" for name in leaks}
    assert "the next row in the order of its account" in str(raised.value)
    assert "and on no other of" in str(raised.value)
    assert "Take them out of the mapping" in str(raised.value)


def test_a_label_that_slipped_by_a_row_of_the_file_is_found_when_the_file_is_not_in_order_of_time(
    clean: Table,
) -> None:
    order = np.random.default_rng(5).permutation(len(clean))
    in_file = clean.frame.with_columns(pl.Series("source_row", order).cast(pl.Int64)).sort("source_row")
    slipped = in_file.with_columns(next_fraud(in_file, None, 1).alias("attribute.slipped")).sort("event_time")
    with pytest.raises(LeakageError, match=r"attribute\.slipped: .* next row in the order of the source"):
        checked(replace(clean, frame=slipped))


def test_a_column_that_the_settings_accept_passes_and_leaves_a_trace(clean: Table) -> None:
    label = clean.frame["is_fraud"].fill_null(value=False).cast(pl.Float64)
    accepting = LeakageSettings(accept=("attribute.itself",))
    document = checked(with_columns(clean, itself=label), accepting)
    assert "Accepted by the settings: attribute.itself, although alone it parts" in str(document["text"])
    assert document["columns"][0]["accepted"]  # type: ignore[index]


def test_too_few_frauds_are_not_judged_and_that_is_told(clean: Table) -> None:
    fraud = clean.frame["is_fraud"].fill_null(value=False)
    few = clean.frame.filter(~fraud | (fraud.cum_sum() <= 20))
    document = checked(replace(clean, frame=few))
    assert document["questions"] == 0
    assert "too few frauds" in str(document["text"])


def test_a_feature_that_changes_with_the_future_is_named(clean: Table) -> None:
    dataset = build(clean, SECRET, lambda _: None)
    column = dataset.names.index("merchant_count_24h")
    features = dataset.features.load().copy()
    # Counts the merchant's transactions of the day around the row instead of the day before it.
    features[:, column] += np.roll(features[:, column], -3)
    found = check_causality(clean, replace(dataset, features=Features.of(features)), SECRET)
    assert set(found.differing) == {"merchant_count_24h"}
    with pytest.raises(LeakageError, match=r"merchant_count_24h: .* looks into the future"):
        check(clean, SECRET, replace(dataset, features=Features.of(features)), np.arange(1_000, 4_000), USUAL)


def test_late_transactions_of_a_journal_do_not_look_like_a_view_of_the_future(clean: Table) -> None:
    arrival = np.argsort(np.arange(len(clean)) + np.random.default_rng(2).integers(0, 40, len(clean)))
    frame = clean.frame.with_columns(pl.Series("source_row", np.argsort(arrival)).cast(pl.Int64))
    table = replace(clean, frame=frame, served_by_source_row=True)
    found = check_causality(table, build(table, SECRET, lambda _: None), SECRET)
    assert (found.rows, found.differing) == (len(clean) // 2, {})


def test_neighbours_stay_within_their_group_and_a_row_of_none_has_none() -> None:
    group = np.array([0, 1, 0, -1, 0, -1])
    within = Neighbourhood("account", np.argsort(group, kind="stable"), group)
    assert within.neighbour(1).tolist() == [2, -1, 4, -1, -1, -1]
    assert within.neighbour(-2).tolist() == [-1, -1, -1, -1, 0, -1]
    assert Neighbourhood("time", np.arange(3), None).neighbour(-1).tolist() == [-1, 0, 1]


def test_a_file_in_order_of_time_is_asked_about_once(clean: Table) -> None:
    dataset = build(clean, SECRET, lambda _: None)
    in_order = replace(dataset, source_row=np.arange(len(dataset)))
    assert [n.name for n in neighbourhoods(in_order)] == [
        "order of time",
        "order of its account",
        "order of its merchant",
    ]


def test_a_fraud_is_known_from_its_first_report_as_one() -> None:
    row, time = np.array([1, 0, 1, 1]), np.array([5, 6, 7, 9])
    outcomes = KnownOutcomes(row, time, np.array([False, True, True, True]))
    empty = np.zeros(3)
    numbers = np.zeros(3, dtype=np.int64)
    dataset = Dataset(
        np.zeros((3, 0), dtype=np.float32),
        (),
        numbers,
        empty > 0,
        outcomes,
        "",
        empty,
        numbers,
        numbers,
        numbers,
        {},
    )
    assert known_from_us(dataset).tolist() == [6, 7, np.iinfo(np.int64).max]
