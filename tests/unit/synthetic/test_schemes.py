from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from kuntur.transaction import Channel, TransactionType
from trainer.synthetic import SyntheticConfig, generate
from trainer.synthetic.population import populate
from trainer.synthetic.rows import CAUSE_NAMES, Cause
from trainer.synthetic.schemes import fraud_counts, plan

CONFIG = SyntheticConfig(
    seed=3, transactions=100_000, accounts=3_000, merchants=1_200, days=90, fraud_rate=0.02
)


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return generate(CONFIG)


def scheme(frame: pl.DataFrame, cause: Cause) -> pl.DataFrame:
    return frame.filter(pl.col("fraud_cause") == CAUSE_NAMES[cause])


def earlier(frame: pl.DataFrame, frauds: pl.DataFrame, column: str) -> float:
    """Returns the share of the frauds whose account had this value in an honest row of any time."""
    honest = frame.filter(~pl.col("is_fraud")).select("account_id", column).unique()
    return frauds.join(honest, on=["account_id", column], how="semi").height / frauds.height


def test_every_fraud_has_a_cause_and_nothing_else_has(frame: pl.DataFrame) -> None:
    assert ((frame["fraud_cause"] != "") == frame["is_fraud"]).all()
    counts = dict(frame.filter("is_fraud")["fraud_cause"].value_counts().rows())
    assert counts == {CAUSE_NAMES[cause]: count for cause, count in fraud_counts(CONFIG).items() if count}
    for kind, share in CONFIG.fraud_mix.items():
        assert counts[kind] == pytest.approx(CONFIG.frauds * share, abs=2)


def test_card_testing_is_a_burst_of_tiny_amounts_at_one_shop_before_a_big_purchase(
    frame: pl.DataFrame,
) -> None:
    bursts = (
        scheme(frame, Cause.CARD_TESTING)
        .group_by("device_id")
        .agg(
            tiny=(pl.col("amount_minor") <= 500).sum(),
            shops=pl.col("merchant_id").filter(pl.col("amount_minor") <= 500).n_unique(),
            biggest=pl.col("amount_minor").max(),
            last=pl.col("amount_minor").last(),
            minutes=(pl.col("event_time").max() - pl.col("event_time").min()).dt.total_minutes(),
        )
    )
    whole = bursts.filter(pl.col("last") > 500)
    assert whole.height >= bursts.height - 1  # the last incident may be cut short
    assert (whole["tiny"] >= 5).all()
    assert (whole["shops"] == 1).all()
    assert (whole["last"] == whole["biggest"]).all()
    assert (whole["minutes"] < 8 * 60).all()
    assert (scheme(frame, Cause.CARD_TESTING)["type"] == TransactionType.VERIFICATION).mean() > 0.2


def test_a_takeover_comes_from_a_new_device_and_another_place_often_at_night(frame: pl.DataFrame) -> None:
    frauds = scheme(frame, Cause.ACCOUNT_TAKEOVER)
    online = frauds.filter(pl.col("device_id") != "")
    assert earlier(frame, online, "device_id") == 0
    assert (frauds["merchant_country_code"] != "PE").mean() > 0.3
    hours = frauds["event_time"].dt.convert_time_zone("America/Lima").dt.hour()
    assert (hours < 8).mean() > 0.5
    assert frauds["amount_minor"].median() > 3 * frame.filter(~pl.col("is_fraud"))["amount_minor"].median()


def test_cards_used_at_a_compromised_merchant_were_copied_there_before() -> None:
    rng = np.random.default_rng(1)
    population = populate(CONFIG, rng)
    rows = plan(CONFIG, population, rng)
    visits = rows.take(rows.cause == Cause.LEGITIMATE)
    frauds = rows.take(rows.cause == Cause.COMPROMISED_MERCHANT)
    copied_at: dict[int, int] = {}
    for account, time in zip(visits.account.tolist(), visits.time_us.tolist(), strict=True):
        copied_at.setdefault(account, time)
    assert all(
        copied_at[account] < time
        for account, time in zip(frauds.account.tolist(), frauds.time_us.tolist(), strict=True)
    )
    shops, victims = np.unique(visits.merchant, return_counts=True)
    assert len(shops) < len(visits) / 10
    assert victims.mean() > 10
    at_the_shop = np.isin(frauds.merchant, shops).mean()
    assert 0.2 < at_the_shop < 0.6


def test_a_cash_out_drains_the_balance_in_an_hour_to_an_account_never_paid(frame: pl.DataFrame) -> None:
    frauds = scheme(frame, Cause.CASH_OUT)
    assert (frauds["type"] == TransactionType.TRANSFER).all()
    assert frauds["channel"].is_in([Channel.MOBILE, Channel.WEB]).all()
    assert earlier(frame, frauds, "counterparty_account_id") == 0
    assert 0.4 < 1 - earlier(frame, frauds, "device_id") < 0.8
    raids = frauds.group_by("account_id", "counterparty_account_id").agg(
        taken=pl.col("amount_minor").sum() / pl.col("account_balance_minor").first(),
        span=pl.col("event_time").max() - pl.col("event_time").min(),
    )
    assert raids["taken"].median() > 0.5
    assert raids["span"].quantile(0.9) < timedelta(hours=1, minutes=15)
