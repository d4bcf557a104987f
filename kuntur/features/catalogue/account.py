"""Features of the account's history."""

from __future__ import annotations

from kuntur.features.catalogue.feature import Feature, PersonalData
from kuntur.features.catalogue.habits import habit_features
from kuntur.features.catalogue.windows import window_features
from kuntur.records.layout import (
    RECENT_COUNTERPARTIES,
    RECENT_COUNTRIES,
    RECENT_DEVICES,
    RECENT_MERCHANTS,
    WINDOWS,
)

_BEHAVIOUR, _PLACE = PersonalData.BEHAVIOURAL, PersonalData.LOCATION


def account_features() -> list[Feature]:
    """Returns them in order."""
    windows = [f for window in WINDOWS for f in window_features("account", window, "account_id")]
    return [*windows, *_activity(), *_movement(), *_novelty(), *_frauds(), *habit_features()]


def _activity() -> list[Feature]:
    """Returns those of how much and how often the account moves."""
    account, money = ("account_id", "event_time"), ("account_id", "amount_minor", "currency_code")
    return [
        Feature(
            "account_total_count",
            "Earlier transactions of the account",
            "count",
            account,
            "How well it is known",
            _BEHAVIOUR,
        ),
        Feature(
            "account_log_amount_zscore",
            "Deviation of the log amount from the account's own mean, in standard deviations; "
            "unset below 3 transactions",
            "standard deviation",
            money,
            "A departure from the customer's own habit",
            _BEHAVIOUR,
        ),
        Feature(
            "account_amount_to_max",
            "Amount against the account's largest so far; unset for the first",
            "ratio",
            money,
            "A record amount",
            _BEHAVIOUR,
        ),
        Feature(
            "account_seconds_since_last",
            "Time since the account's latest transaction; unset when first or late",
            "second",
            account,
            "Fraud comes in bursts",
            _BEHAVIOUR,
        ),
        Feature(
            "account_burst_1h_24h",
            "Share of the day's transactions that fall in the last hour; unset without any",
            "ratio",
            account,
            "Sudden activity",
            _BEHAVIOUR,
        ),
        Feature(
            "account_burst_24h_30d",
            "Day's transactions against the month's daily mean; unset without any",
            "ratio",
            account,
            "Sudden activity",
            _BEHAVIOUR,
        ),
        Feature(
            "account_burst_7d_30d",
            "Week's transactions against the month's weekly mean; unset without any",
            "ratio",
            account,
            "Changed habits",
            _BEHAVIOUR,
        ),
        Feature(
            "amount_times_count_24h",
            "Log amount times one plus the day's count",
            "log currency unit",
            money,
            "Much money, often",
            _BEHAVIOUR,
        ),
    ]


def _movement() -> list[Feature]:
    """Returns those of where the account was."""
    position = ("account_id", "event_time", "merchant_latitude", "merchant_longitude")
    return [
        Feature(
            "distance_km",
            "Great-circle distance from the account's latest position",
            "km",
            position,
            "The customer cannot be in two places",
            _PLACE,
        ),
        Feature(
            "speed_kmh",
            "That distance by the time since that position; unset before it and within a minute of it",
            "km/h",
            position,
            "The customer cannot travel so fast",
            _PLACE,
            revision=2,
        ),
    ]


def _novelty() -> list[Feature]:
    """Returns those of whom and what the account has not met before."""
    return [
        Feature(
            "is_new_merchant",
            f"1 when not among the account's last {RECENT_MERCHANTS} different merchants",
            "flag",
            ("account_id", "merchant_id"),
            "A departure from habit",
            _BEHAVIOUR,
            revision=2,
        ),
        Feature(
            "is_new_device",
            f"1 when not among the account's last {RECENT_DEVICES} different devices",
            "flag",
            ("account_id", "device_id"),
            "Account takeovers come from new devices",
            _BEHAVIOUR,
            revision=2,
        ),
        Feature(
            "is_new_country",
            f"1 when not among the account's last {RECENT_COUNTRIES} different countries",
            "flag",
            ("account_id", "merchant_country_code"),
            "A departure from habit",
            _PLACE,
            revision=2,
        ),
        Feature(
            "is_new_counterparty",
            f"1 when not among the account's last {RECENT_COUNTERPARTIES} different counterparties",
            "flag",
            ("account_id", "counterparty_account_id"),
            "Cash-out goes to a new payee",
            _BEHAVIOUR,
            revision=2,
        ),
        Feature(
            "account_merchant_turnover",
            "Times the account came to a merchant that was new by then",
            "count",
            ("account_id", "merchant_id"),
            "How regular the customer is",
            _BEHAVIOUR,
            revision=2,
        ),
        Feature(
            "account_device_turnover",
            "Times the account came with a device that was new by then",
            "count",
            ("account_id", "device_id"),
            "How regular the customer is",
            _BEHAVIOUR,
            revision=2,
        ),
    ]


def _frauds() -> list[Feature]:
    """Returns those of frauds reported on the account."""
    return [
        Feature(
            "account_fraud_count",
            "Frauds of the account reported before this hour; unset when very late",
            "count",
            ("account_id", "outcome"),
            "Victims are hit again",
            _BEHAVIOUR,
            revision=2,
        ),
        Feature(
            "account_hours_since_fraud",
            "Hours since the latest of these reports; unset without any, when very late, and once those of "
            "the account's two latest hours with a report were taken back",
            "hour",
            ("account_id", "outcome"),
            "Victims are hit again soon",
            _BEHAVIOUR,
            revision=2,
        ),
    ]
