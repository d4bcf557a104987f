"""Features of what an account usually does."""

from __future__ import annotations

from kuntur.features.catalogue.feature import Feature, PersonalData
from kuntur.features.catalogue.windows import day_burst
from kuntur.records.layout import USUAL_LIMIT, WINDOWS


def habit_features() -> list[Feature]:
    """Returns them in order."""
    behaviour = PersonalData.BEHAVIOURAL
    account = ("account_id", "event_time")
    money = ("account_id", "amount_minor", "currency_code")
    usual = f"usual amount (its mean, no amount counted above {USUAL_LIMIT} times the mean before it)"
    features = [
        Feature(
            "account_usual_amount",
            f"The account's {usual}; unset for the first",
            "currency unit",
            money,
            "What the customer spends, little moved by earlier frauds",
            PersonalData.FINANCIAL,
            since="2",
        ),
        Feature(
            "account_amount_to_usual",
            f"Amount against the account's {usual}; unset for the first",
            "ratio",
            money,
            "A departure from what the customer spends",
            behaviour,
            since="2",
        ),
    ]
    features += [
        Feature(
            f"account_mean_to_usual_{window.name}",
            f"Mean amount of the account in the last {window.name} against its {usual}; unset without any",
            "ratio",
            ("account_id", "event_time", "amount_minor", "currency_code"),
            "Someone else has been spending lately",
            behaviour,
            since="2",
        )
        for window in WINDOWS[1:]
    ]
    features += [
        day_burst("account", "account_id"),
        Feature(
            "account_gap_to_usual",
            "Time since the account's latest transaction against its mean gap in the last 30d; "
            "unset when first or late and without any",
            "ratio",
            account,
            "Sooner or later than the customer's own rhythm",
            behaviour,
            since="2",
        ),
        Feature(
            "account_night_share",
            "Share of the account's earlier transactions from 0:00 to 6:59, in the institution's time zone; "
            "unset for the first",
            "ratio",
            account,
            "Whether the night is unusual for this customer",
            behaviour,
            since="2",
            local=True,
        ),
    ]
    return features
