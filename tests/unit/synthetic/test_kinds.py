"""The kinds of fraud of the scenario `full`: each has what defines it, and no single sign tells it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from kuntur.transaction import Channel, TransactionType
from tests.unit.trainer.command import invoke, refused
from trainer.synthetic import KINDS, SCENARIOS, SyntheticConfig, generate, pieces

FULL = SCENARIOS["full"]
CONFIG = SyntheticConfig(
    seed=5, transactions=120_000, accounts=3_000, merchants=1_200, days=120, fraud_rate=0.02, **FULL
)
NEW = ("mule_network", "push_payment", "stolen_phone", "sim_swap")


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return generate(CONFIG)


def kind(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    return frame.filter(pl.col("fraud_cause") == name)


def known(frame: pl.DataFrame, frauds: pl.DataFrame, column: str) -> float:
    """Returns the share of the frauds whose account has this value in an honest row of any time."""
    honest = frame.filter(~pl.col("is_fraud")).select("account_id", column).unique()
    return frauds.join(honest, on=["account_id", column], how="semi").height / frauds.height


def incidents(frauds: pl.DataFrame) -> pl.DataFrame:
    """Returns the frauds with the number of their incident: of one account, no week without one."""
    gap = pl.col("event_time").diff().over("account_id") > timedelta(days=7)
    starts = gap | (pl.col("account_id") != pl.col("account_id").shift())
    return frauds.sort("account_id", "event_time").with_columns(
        incident=starts.fill_null(value=True).cum_sum()
    )


def test_the_number_of_frauds_is_exact_and_split_by_the_mix(frame: pl.DataFrame) -> None:
    assert frame.height == CONFIG.transactions
    counts = dict(frame.filter("is_fraud")["fraud_cause"].value_counts().rows())
    assert set(counts) == set(KINDS)
    assert sum(counts.values()) == CONFIG.frauds
    for name, weight in CONFIG.fraud_mix.items():
        assert counts[name] == pytest.approx(CONFIG.frauds * weight, abs=2)
    assert ((frame["fraud_cause"] != "") == frame["is_fraud"]).all()


def test_the_same_settings_give_the_same_rows_in_order_of_time(frame: pl.DataFrame) -> None:
    assert frame["event_time"].is_sorted()
    assert pl.concat(list(pieces(CONFIG))).equals(frame)


def test_the_classic_scenario_is_the_default_and_has_four_kinds_and_no_instant_transfers() -> None:
    config = SyntheticConfig(transactions=20_000, accounts=500, merchants=400, days=40, fraud_rate=0.02)
    assert config == config.model_copy(update=SCENARIOS["classic"])
    made = generate(config)
    assert set(made["fraud_cause"].unique()) == {"", *KINDS[:4]}
    receipts = (pl.col("type") == TransactionType.DEPOSIT) & (pl.col("channel") == Channel.MOBILE)
    assert made.filter(receipts).is_empty()


def test_a_mule_network_passes_money_on_within_hours_to_one_who_pays_it_out(frame: pl.DataFrame) -> None:
    frauds = kind(frame, "mule_network")
    credited = frame.filter(pl.col("type") == TransactionType.DEPOSIT).select(
        "account_id", credited="event_time", received="amount_minor"
    )
    before = frauds.join(credited, on="account_id").filter(
        pl.col("credited").is_between(pl.col("event_time") - timedelta(hours=8), pl.col("event_time"))
    )
    assert before["transaction_id"].n_unique() / frauds.height > 0.95
    customers = frame["account_id"].unique()
    passed_on = frauds.filter(pl.col("counterparty_account_id").is_in(customers.implode()))
    collectors = passed_on.group_by("counterparty_account_id").agg(mules=pl.col("account_id").n_unique())
    assert collectors["mules"].max() >= 4
    assert (collectors["mules"] >= 2).mean() > 0.6
    paid_out = frauds.filter(~pl.col("counterparty_account_id").is_in(customers.implode()))
    assert paid_out["account_id"].is_in(collectors["counterparty_account_id"].implode()).mean() > 0.8
    assert (frauds["type"] == TransactionType.CASH_WITHDRAWAL).mean() > 0.03
    own = frauds.filter(pl.col("device_id") != "")
    assert known(frame, own, "device_id") > 0.7
    assert frauds["account_age_days"].median() < frame["account_age_days"].median()


def test_a_mule_keeps_a_part_of_what_came_in(frame: pl.DataFrame) -> None:
    frauds = kind(frame, "mule_network").filter(pl.col("type") == TransactionType.TRANSFER)
    assert ((frauds["account_balance_minor"] + 1) >= frauds["amount_minor"]).all()


def test_a_push_payment_is_the_holders_own_by_day_rising_and_to_someone_new(frame: pl.DataFrame) -> None:
    frauds = kind(frame, "push_payment")
    by_screen = frauds.filter(pl.col("device_id") != "")
    assert known(frame, by_screen, "device_id") > 0.7
    assert known(frame, frauds, "counterparty_account_id") < 0.05
    hours = frauds["event_time"].dt.convert_time_zone("America/Lima").dt.hour()
    assert ((hours >= 7) & (hours <= 22)).mean() > 0.9
    found = incidents(frauds)
    rising = found.with_columns(
        step=pl.col("amount_minor") / pl.col("amount_minor").shift().over("incident")
    )["step"].drop_nulls()
    assert (rising > 1).mean() > 0.9
    assert found.group_by("incident").len()["len"].max() > 1
    assert frauds["account_age_days"].median() > 1.3 * frame["account_age_days"].median()
    usual = frame.filter(~pl.col("is_fraud") & (pl.col("type") == TransactionType.TRANSFER))
    assert frauds["amount_minor"].median() > 5 * usual["amount_minor"].median()


def test_a_stolen_phone_is_emptied_in_minutes_up_to_the_limit_of_the_day(frame: pl.DataFrame) -> None:
    raids = (
        incidents(kind(frame, "stolen_phone"))
        .group_by("incident")
        .agg(
            payments=pl.len(),
            moved=pl.col("amount_minor").sum() / 100,
            largest=pl.col("amount_minor").max() / 100,
            span=pl.col("event_time").max() - pl.col("event_time").min(),
            payees=pl.col("counterparty_account_id").n_unique(),
        )
    )
    assert (raids["largest"] <= CONFIG.instant_limit_soles).all()
    assert (raids["moved"] <= 2 * CONFIG.instant_daily_limit_soles).all()  # an account may be robbed twice
    assert raids["moved"].median() > 0.7 * CONFIG.instant_daily_limit_soles
    assert raids["span"].median() < timedelta(minutes=20)
    assert raids["payments"].median() >= 4
    assert raids["payees"].is_between(1, 6).all()
    frauds = kind(frame, "stolen_phone")
    assert known(frame, frauds, "device_id") > 0.7
    assert known(frame, frauds, "counterparty_account_id") < 0.05


def test_a_sim_swap_enrols_a_phone_waits_and_then_drains(frame: pl.DataFrame) -> None:
    frauds = kind(frame, "sim_swap")
    assert known(frame, frauds, "device_id") == 0
    swaps = (
        frauds.sort("event_time")
        .group_by("device_id")
        .agg(
            first=pl.col("type").first(),
            others=(pl.col("type") == TransactionType.TRANSFER).sum(),
            rows=pl.len(),
            quiet=pl.col("event_time").slice(1, 1).first() - pl.col("event_time").first(),
            rush=pl.col("event_time").last() - pl.col("event_time").slice(1, 1).first(),
        )
    )
    assert (swaps["first"] == TransactionType.VERIFICATION).all()
    whole = swaps.filter(pl.col("rows") >= 3)
    assert whole.height >= swaps.height - 1  # the last incident may be cut short
    assert (whole["others"] == whole["rows"] - 1).all()
    assert whole["quiet"].is_between(timedelta(hours=2), timedelta(hours=21)).mean() > 0.95
    assert (whole["rush"] < timedelta(hours=2)).all()


def test_instant_transfers_are_an_honest_way_to_pay_with_habits_of_their_own(frame: pl.DataFrame) -> None:
    honest = frame.filter(~pl.col("is_fraud") & (pl.col("channel") == Channel.MOBILE))
    sent = honest.filter(
        (pl.col("type") == TransactionType.TRANSFER)
        & (pl.col("amount_minor") <= 100 * CONFIG.instant_limit_soles)
    )
    received = honest.filter(pl.col("type") == TransactionType.DEPOSIT)
    assert sent.height > 0.08 * frame.height
    assert received.height > 0.02 * frame.height
    assert (received["device_id"] == "").all()
    assert sent["amount_minor"].median() < 3_000
    assert (sent["amount_minor"] == 100 * CONFIG.instant_limit_soles).sum() > 50
    assert (sent["amount_minor"] % 50 == 0).mean() > 0.6
    hours = sent["event_time"].dt.convert_time_zone("America/Lima").dt.hour()
    assert (hours.is_between(18, 21)).mean() > 1.5 * (hours.is_between(8, 11)).mean()
    first = sent.select(pl.struct("account_id", "counterparty_account_id").is_first_distinct().mean()).item()
    assert 0.2 < first < 0.8
    payees = sent["counterparty_account_id"]
    assert 0.2 < payees.str.starts_with("900-").mean() < 0.6


# Of each sign: what it says of a row alone, higher for fraud or lower.
SIGNS = {
    "amount": pl.col("amount_minor"),
    "share of the balance": pl.col("amount_minor") / (pl.col("account_balance_minor") + 1),
    "age": pl.col("account_age_days"),
    "hour": (pl.col("event_time").dt.convert_time_zone("America/Lima").dt.hour() - 2) % 24,
    "since the last": pl.col("event_time").diff().over("account_id").dt.total_seconds(),
    "elsewhere": pl.col("counterparty_account_id").str.starts_with("900-").cast(pl.Int8),
    "new payee": pl.struct("account_id", "counterparty_account_id").is_first_distinct().cast(pl.Int8),
    "new device": pl.struct("account_id", "device_id").is_first_distinct().cast(pl.Int8),
    "network": pl.col("ip_address").str.split(".").list.first().cast(pl.Int32, strict=False),
    "type": pl.col("type"),
    "channel": pl.col("channel"),
}


@pytest.mark.parametrize("name", NEW)
def test_no_sign_alone_tells_a_kind(frame: pl.DataFrame, name: str) -> None:
    signs = frame.select(
        "fraud_cause", *(sign.cast(pl.Float64).alias(title) for title, sign in SIGNS.items())
    )
    fraud = (signs["fraud_cause"] == name).to_numpy()
    honest = (signs["fraud_cause"] == "").to_numpy()
    for title in SIGNS:
        values = signs[title].fill_null(-1).to_numpy()
        # On either side: most rows beyond the value that half of the kind exceeds are honest.
        for side in (values, -values):
            bar = np.quantile(side[fraud], 0.5)
            caught, wrong = (side[fraud] >= bar).sum(), (side[honest] >= bar).sum()
            assert wrong > caught, title


def test_honest_customers_do_what_each_kind_looks_like(frame: pl.DataFrame) -> None:
    honest = frame.filter(~pl.col("is_fraud"))
    by_phone = honest.filter(
        (pl.col("channel") == Channel.MOBILE) & (pl.col("type") == TransactionType.TRANSFER)
    )
    enrolled = honest.filter(
        (pl.col("channel") == Channel.MOBILE) & (pl.col("type") == TransactionType.VERIFICATION)
    )
    assert enrolled.height > kind(frame, "sim_swap")["device_id"].n_unique()
    most = by_phone.filter(pl.col("amount_minor") == 100 * CONFIG.instant_limit_soles)
    in_parts = most.filter(pl.col("event_time").diff().over("account_id") < timedelta(minutes=5))
    assert in_parts.height > 20
    large = by_phone.filter(pl.col("amount_minor") > 100_000)
    assert large.height > 100
    receipts = honest.filter(
        (pl.col("type") == TransactionType.DEPOSIT) & (pl.col("channel") == Channel.MOBILE)
    )
    busy = receipts.group_by("account_id", pl.col("event_time").dt.date()).agg(
        payers=pl.col("counterparty_account_id").n_unique()
    )
    assert (busy["payers"] >= 5).sum() > 5


def test_amounts_and_the_mix_change_over_the_period() -> None:
    settings = FULL | {"fraud_trend": {"push_payment": 5.0}, "amount_trend": 3.0, "seasons": False}
    config = CONFIG.model_copy(update=settings)
    frauds = kind(generate(config), "push_payment")
    middle = pl.lit(config.start + timedelta(days=config.days // 2))
    late = frauds["event_time"].dt.date() >= pl.select(middle).item()
    assert late.mean() > 0.6
    assert frauds.filter(late)["amount_minor"].median() > 1.2 * frauds.filter(~late)["amount_minor"].median()


def test_a_kind_can_be_left_out_and_weighed() -> None:
    mix = FULL["fraud_mix"] | {"sim_swap": 0.0, "push_payment": 3.0}
    config = SyntheticConfig.model_validate(
        FULL | {"transactions": 30_000, "accounts": 800, "merchants": 400, "days": 40, "fraud_mix": mix}
        | {"fraud_rate": 0.02}
    )  # fmt: skip
    counts = dict(generate(config).filter("is_fraud")["fraud_cause"].value_counts().rows())
    assert "sim_swap" not in counts
    assert counts["push_payment"] > config.frauds / 2
    assert sum(counts.values()) == config.frauds


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"fraud_mix": {"phishing": 1.0}}, "no kind of fraud phishing; choose from card_testing"),
        ({"fraud_mix": {"sim_swap": -1.0}}, "numbers from 0 on"),
        ({"fraud_mix": {"sim_swap": 0.0}}, "at least one kind above 0"),
        ({"fraud_trend": {"sim_swap": 0.0}}, "above 0"),
    ],
    ids=str,
)
def test_a_mix_that_makes_no_sense_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SyntheticConfig.model_validate(wrong)


def test_the_command_makes_the_scenario_that_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "made.parquet"
    size = ("--transactions", "12000", "--accounts", "400", "--merchants", "400", "--days", "30")
    how = ("--scenario", "full", "--fraud-rate", "0.03", "--without", "sim_swap", "--mix", "cash_out=0.5")
    result = invoke("synth", path, *size, *how)
    assert result.exit_code == 0, result.output
    counts = dict(pl.read_parquet(path).filter("is_fraud")["fraud_cause"].value_counts().rows())
    assert set(counts) == set(KINDS) - {"sim_swap"}
    assert max(counts, key=lambda name: counts[name]) == "cash_out"
    assert "no kind of fraud phishing" in refused(invoke("synth", path, "--mix", "phishing=1"))
    assert "write a kind and its weight" in refused(invoke("synth", path, "--mix", "cash_out"))
    assert "choose from classic, full" in refused(invoke("synth", path, "--scenario", "grand"))
