from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from kuntur.fields.schema import LABEL_COLUMNS, TRANSACTION_COLUMNS
from kuntur.tables import Mapping, read
from trainer.synthetic import SyntheticConfig, generate, pieces, write

CONFIG = SyntheticConfig(
    seed=7,
    transactions=60_000,
    accounts=1_500,
    merchants=900,
    days=60,
    fraud_rate=0.02,
    start=date(2024, 3, 1),
)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return generate(CONFIG)


def test_the_same_settings_give_the_same_rows_and_another_seed_others(frame: pl.DataFrame) -> None:
    assert generate(CONFIG).equals(frame)
    assert not generate(CONFIG.model_copy(update={"seed": 8})).equals(frame)


@pytest.mark.parametrize(
    ("transactions", "days", "fraud_rate"), [(1_000, 7, 0.0), (1_001, 7, 0.2), (5_003, 31, 0.005)]
)
def test_the_number_of_rows_and_of_frauds_is_exact(transactions: int, days: int, fraud_rate: float) -> None:
    config = SyntheticConfig(
        transactions=transactions, accounts=200, merchants=400, days=days, fraud_rate=fraud_rate
    )
    made = generate(config)
    assert made.height == transactions
    assert made["is_fraud"].sum() == config.frauds == round(transactions * fraud_rate)


def test_columns_are_the_canonical_ones_in_order_of_event_time(frame: pl.DataFrame) -> None:
    expected = {**TRANSACTION_COLUMNS, **LABEL_COLUMNS, "fraud_cause": pl.String()}
    assert dict(frame.schema) == expected
    assert list(frame.columns) == list(expected)
    assert frame["event_time"].is_sorted()
    assert frame["transaction_id"].n_unique() == frame.height


def test_every_day_of_the_period_in_lima_has_rows_and_no_other_day(frame: pl.DataFrame) -> None:
    days = frame["event_time"].dt.convert_time_zone("America/Lima").dt.date().unique().sort().to_list()
    assert days == [CONFIG.start + timedelta(days=number) for number in range(CONFIG.days)]


def test_a_written_file_reads_back_without_rejects_and_unchanged(tmp_path: Path, frame: pl.DataFrame) -> None:
    path, seen = tmp_path / "out" / "synthetic.parquet", []
    assert write(CONFIG, path, lambda done, of: seen.append((done, of))) == CONFIG.transactions
    table = read(path, Mapping.load("kuntur"), max_reject_share=0)
    assert table.rejects.rows_rejected == 0
    assert table.frame.drop("source_row").equals(frame.rename({"fraud_cause": "fraud_kind"}))
    assert seen[-1] == (CONFIG.transactions, CONFIG.transactions)
    assert len(seen) == len(list(pieces(CONFIG))) > 1
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_same_settings_write_the_same_bytes(tmp_path: Path) -> None:
    config = SyntheticConfig(transactions=3_000, accounts=200, merchants=400, days=14)
    write(config, tmp_path / "a.parquet")
    write(config, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_writing_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail(done: int, of: int) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write(CONFIG, tmp_path / "a.parquet", fail)
    assert list(tmp_path.iterdir()) == []


def test_every_row_is_labelled_later_than_it_happened(frame: pl.DataFrame) -> None:
    lag = frame["reported_time"] - frame["event_time"]
    frauds, honest = lag.filter(frame["is_fraud"]), lag.filter(~frame["is_fraud"])
    assert (honest == timedelta(days=30)).all()
    assert frauds.is_between(timedelta(hours=1), timedelta(days=45)).all()
    assert frauds.dt.total_seconds().median() == pytest.approx(4 * 86_400, rel=0.2)


def test_balances_cover_the_payments_and_credit_cards_have_none(frame: pl.DataFrame) -> None:
    known = frame["account_balance_minor"].is_not_null()
    assert (known == (frame["account_type"] != 3)).all()
    paying = frame.filter(known & ~pl.col("type").is_in([4, 6, 7]))
    assert (paying["account_balance_minor"] + 1 >= paying["amount_minor"]).all()


def test_customers_return_to_their_shops_and_change_their_phone_at_most_once(frame: pl.DataFrame) -> None:
    honest = frame.filter(~pl.col("is_fraud"))
    shops = honest.filter(pl.col("channel") == 1)
    first = shops.select(pl.struct("account_id", "merchant_id").is_first_distinct().mean()).item()
    assert first < 0.6
    devices = (
        honest.filter(pl.col("device_id") != "").group_by("account_id").agg(pl.col("device_id").n_unique())
    )
    assert devices["device_id"].max() <= 3


def test_honest_customers_also_do_what_a_fraudster_would(frame: pl.DataFrame) -> None:
    honest = frame.filter(~pl.col("is_fraud"))
    abroad = (pl.col("channel") == 1) & (pl.col("merchant_country_code") != "PE")
    assert honest.filter(abroad)["account_id"].n_unique() > 20
    assert honest.filter(pl.col("amount_minor") > 200_000).height > 20
    hours = honest["event_time"].dt.convert_time_zone("America/Lima").dt.hour()
    assert 0.005 < (hours < 5).mean() < 0.15


@pytest.mark.parametrize(
    "wrong",
    [{"institutions": ()}, {"institutions": ("a", "a")}, {"days": 3}, {"fraud_rate": 0.5}, {"colour": 1}],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SyntheticConfig.model_validate(wrong)
