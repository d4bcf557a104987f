"""What each feature is: the one list that engine, trainer, bundle and documents go by.

The order is the order of the columns that the compiled kernel writes. A feature's fingerprint covers
what its value depends on; a bundle carries those of the features it uses, and a server that defines
one of them otherwise refuses the bundle.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from kuntur.records.layout import (
    LABEL_WINDOWS_DAYS,
    RECENT_ACCOUNTS,
    RECENT_COUNTERPARTIES,
    RECENT_COUNTRIES,
    RECENT_DEVICES,
    RECENT_MERCHANTS,
    USUAL_LIMIT,
    WINDOWS,
    Window,
)


class PersonalData(StrEnum):
    """How close a feature comes to a person (Ley 29733)."""

    NONE = "none"
    FINANCIAL = "financial"
    BEHAVIOURAL = "behavioural"
    LOCATION = "location"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the engine's output.

    name: its name in manifests; description: what the value is; unit: of the value; source: fields of
    the transaction it is computed from; why: what it says about fraud; personal_data: class of the
    value; since: first version of the catalogue that has it; revision: raised when its value changes; local:
    whether it is in hours or days of the institution's time zone.
    """

    name: str
    description: str
    unit: str
    source: tuple[str, ...]
    why: str
    personal_data: PersonalData
    since: str = "1"
    revision: int = 1
    local: bool = False

    @property
    def fingerprint(self) -> str:
        """Hash of the definition: 16 hexadecimal digits."""
        text = "\x1f".join((self.name, self.unit, ",".join(self.source), str(self.revision)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _row_features() -> list[Feature]:
    money, behaviour, none = PersonalData.FINANCIAL, PersonalData.BEHAVIOURAL, PersonalData.NONE
    time, amount = ("event_time",), ("amount_minor", "currency_code")
    return [
        Feature(
            "amount",
            "Amount of the transaction",
            "currency unit",
            amount,
            "Fraud goes for more than the customer does",
            money,
        ),
        Feature(
            "log_amount",
            "Natural logarithm of one plus the amount",
            "log currency unit",
            amount,
            "Amounts differ by factors, not by sums",
            money,
        ),
        Feature(
            "amount_is_round",
            "1 when the amount is a whole multiple of 10",
            "flag",
            amount,
            "Round amounts are typical of cash-out",
            money,
        ),
        Feature(
            "amount_to_balance",
            "Amount as a share of the balance before it; unset without a positive balance",
            "ratio",
            (*amount, "account_balance_minor"),
            "Account takeovers drain the balance",
            money,
        ),
        Feature(
            "hour",
            "Hour of the day, in the institution's time zone",
            "hour",
            time,
            "Fraud keeps other hours",
            behaviour,
            local=True,
        ),
        Feature(
            "weekday",
            "Day of the week, Monday 0, in the institution's time zone",
            "day",
            time,
            "Habits follow the week",
            behaviour,
            local=True,
        ),
        Feature(
            "is_weekend",
            "1 on Saturday and Sunday, in the institution's time zone",
            "flag",
            time,
            "Fewer eyes on the account",
            behaviour,
            local=True,
        ),
        Feature(
            "is_night",
            "1 from 0:00 to 6:59, in the institution's time zone",
            "flag",
            time,
            "The customer sleeps",
            behaviour,
            local=True,
        ),
        Feature(
            "type",
            "Number of the transaction type; unset when unspecified",
            "code",
            ("type",),
            "Schemes use some types",
            none,
        ),
        Feature(
            "channel",
            "Number of the channel; unset when unspecified",
            "code",
            ("channel",),
            "Schemes use some channels",
            none,
        ),
        Feature(
            "account_type",
            "Number of the account type; unset when unspecified",
            "code",
            ("account_type",),
            "Some accounts are easier to abuse",
            money,
        ),
        Feature(
            "account_age_days",
            "Days since the account was opened",
            "day",
            ("account_age_days",),
            "Mule accounts are young",
            money,
        ),
        Feature(
            "is_cross_border",
            "1 when the merchant is outside Peru; unset without a country",
            "flag",
            ("merchant_country_code",),
            "Stolen cards are used abroad",
            PersonalData.LOCATION,
        ),
        Feature(
            "is_foreign_currency",
            "1 when the currency is not PEN",
            "flag",
            ("currency_code",),
            "Stolen cards are used abroad",
            none,
        ),
    ]


def _window_features(entity: str, window: Window, source: str) -> list[Feature]:
    kind = PersonalData.BEHAVIOURAL if entity == "account" else PersonalData.NONE
    fields, money = (source, "event_time"), (source, "event_time", "amount_minor", "currency_code")
    features = [
        Feature(
            f"{entity}_count_{window.name}",
            f"Earlier transactions of the {entity} in the last {window.name}",
            "count",
            fields,
            "Bursts give fraud away",
            kind,
        ),
        Feature(
            f"{entity}_mean_{window.name}",
            f"Mean amount of the {entity} in the last {window.name}; unset without any",
            "currency unit",
            money,
            "What is usual here",
            kind,
        ),
        Feature(
            f"{entity}_amount_ratio_{window.name}",
            f"Amount against the mean of the {entity} in the last {window.name}; unset without any",
            "ratio",
            money,
            "A departure from what is usual here",
            kind,
        ),
    ]
    if entity == "account":
        features.insert(
            1,
            Feature(
                f"account_sum_{window.name}",
                f"Sum of the account in the last {window.name}",
                "currency unit",
                money,
                "Money that leaves fast",
                PersonalData.FINANCIAL,
            ),
        )
    return features


def _account_features() -> list[Feature]:
    behaviour, place = PersonalData.BEHAVIOURAL, PersonalData.LOCATION
    account, money = ("account_id", "event_time"), ("account_id", "amount_minor", "currency_code")
    position = ("account_id", "event_time", "merchant_latitude", "merchant_longitude")
    features = [f for window in WINDOWS for f in _window_features("account", window, "account_id")]
    features += [
        Feature(
            "account_total_count",
            "Earlier transactions of the account",
            "count",
            account,
            "How well it is known",
            behaviour,
        ),
        Feature(
            "account_log_amount_zscore",
            "Deviation of the log amount from the account's own mean, in standard deviations; "
            "unset below 3 transactions",
            "standard deviation",
            money,
            "A departure from the customer's own habit",
            behaviour,
        ),
        Feature(
            "account_amount_to_max",
            "Amount against the account's largest so far; unset for the first",
            "ratio",
            money,
            "A record amount",
            behaviour,
        ),
        Feature(
            "account_seconds_since_last",
            "Time since the account's latest transaction; unset when first or late",
            "second",
            account,
            "Fraud comes in bursts",
            behaviour,
        ),
        Feature(
            "account_burst_1h_24h",
            "Share of the day's transactions that fall in the last hour; unset without any",
            "ratio",
            account,
            "Sudden activity",
            behaviour,
        ),
        Feature(
            "account_burst_24h_30d",
            "Day's transactions against the month's daily mean; unset without any",
            "ratio",
            account,
            "Sudden activity",
            behaviour,
        ),
        Feature(
            "account_burst_7d_30d",
            "Week's transactions against the month's weekly mean; unset without any",
            "ratio",
            account,
            "Changed habits",
            behaviour,
        ),
        Feature(
            "amount_times_count_24h",
            "Log amount times one plus the day's count",
            "log currency unit",
            money,
            "Much money, often",
            behaviour,
        ),
        Feature(
            "distance_km",
            "Great-circle distance from the account's latest position",
            "km",
            position,
            "The customer cannot be in two places",
            place,
        ),
        Feature(
            "speed_kmh",
            "That distance by the time since that position; unset before it and within a minute of it",
            "km/h",
            position,
            "The customer cannot travel so fast",
            place,
            revision=2,
        ),
        Feature(
            "is_new_merchant",
            f"1 when not among the account's last {RECENT_MERCHANTS} different merchants",
            "flag",
            ("account_id", "merchant_id"),
            "A departure from habit",
            behaviour,
            revision=2,
        ),
        Feature(
            "is_new_device",
            f"1 when not among the account's last {RECENT_DEVICES} different devices",
            "flag",
            ("account_id", "device_id"),
            "Account takeovers come from new devices",
            behaviour,
            revision=2,
        ),
        Feature(
            "is_new_country",
            f"1 when not among the account's last {RECENT_COUNTRIES} different countries",
            "flag",
            ("account_id", "merchant_country_code"),
            "A departure from habit",
            place,
            revision=2,
        ),
        Feature(
            "is_new_counterparty",
            f"1 when not among the account's last {RECENT_COUNTERPARTIES} different counterparties",
            "flag",
            ("account_id", "counterparty_account_id"),
            "Cash-out goes to a new payee",
            behaviour,
            revision=2,
        ),
        Feature(
            "account_merchant_turnover",
            "Times the account came to a merchant that was new by then",
            "count",
            ("account_id", "merchant_id"),
            "How regular the customer is",
            behaviour,
            revision=2,
        ),
        Feature(
            "account_device_turnover",
            "Times the account came with a device that was new by then",
            "count",
            ("account_id", "device_id"),
            "How regular the customer is",
            behaviour,
            revision=2,
        ),
        Feature(
            "account_fraud_count",
            "Frauds of the account reported before this hour; unset when very late",
            "count",
            ("account_id", "outcome"),
            "Victims are hit again",
            behaviour,
            revision=2,
        ),
        Feature(
            "account_hours_since_fraud",
            "Hours since the latest of these reports; unset without any, when very late, and once those of "
            "the account's two latest hours with a report were taken back",
            "hour",
            ("account_id", "outcome"),
            "Victims are hit again soon",
            behaviour,
            revision=2,
        ),
        *_habit_features(),
    ]
    return features


def _habit_features() -> list[Feature]:
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
        _day_burst("account", "account_id"),
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


def _day_burst(entity: str, source: str) -> Feature:
    return Feature(
        f"{entity}_burst_24h_7d",
        f"Transactions of the {entity} in the last 24h against the week's daily mean; unset without any",
        "ratio",
        (source, "event_time"),
        "Sudden activity",
        PersonalData.BEHAVIOURAL if entity == "account" else PersonalData.NONE,
        since="2",
    )


def _profile_features(entity: str, source: str) -> list[Feature]:
    features = [f for window in WINDOWS for f in _window_features(entity, window, source)]
    features.append(
        Feature(
            f"{entity}_seconds_since_last",
            f"Time since the latest transaction of the {entity}; unset when first or late",
            "second",
            (source, "event_time"),
            "Bursts give fraud away",
            PersonalData.NONE,
        )
    )
    features += [
        _day_burst(entity, source),
        Feature(
            f"{entity}_burst_7d_30d",
            f"Transactions of the {entity} in the last 7d against the month's weekly mean; unset without any",
            "ratio",
            (source, "event_time"),
            "Changed use",
            PersonalData.NONE,
            since="2",
        ),
    ]
    fields = (source, "outcome")
    for days in LABEL_WINDOWS_DAYS:
        since, revision = ("2", 1) if days == 14 else ("1", 3)
        features += [
            Feature(
                f"{entity}_fraud_count_{days}d",
                f"Frauds of the {entity} reported in the last {days} d, before this hour; "
                "unset when very late",
                "count",
                fields,
                "It was compromised lately",
                PersonalData.NONE,
                since=since,
                revision=revision,
            ),
            Feature(
                f"{entity}_risk_{days}d",
                f"Frauds as a share of the outcomes of the {entity} reported in the last {days} d; "
                "unset without any or when very late",
                "ratio",
                fields,
                "It was compromised lately",
                PersonalData.NONE,
                since=since,
                revision=revision,
            ),
        ]
    return features + _episode_features(entity, fields)


def _episode_features(entity: str, fields: tuple[str, ...]) -> list[Feature]:
    month = LABEL_WINDOWS_DAYS[-1]
    reported = f"reported for the {entity} in the last {month} d, before this hour"

    def feature(name: str, description: str, unit: str, why: str) -> Feature:
        what = f"{description}; unset {'' if name == 'fraud_run' else 'without any or '}when very late"
        return Feature(f"{entity}_{name}", what, unit, fields, why, PersonalData.NONE, since="2")

    return [
        feature("days_since_fraud", f"Days since the latest fraud {reported}", "day", "It may still go on"),
        feature(
            "days_since_first_fraud",
            f"Days since the first fraud {reported}",
            "day",
            "A compromise has a beginning and ends after some weeks",
        ),
        feature(
            "days_since_legitimate",
            f"Days since the latest legitimate outcome {reported}",
            "day",
            "What is in order again is over",
        ),
        feature(
            "fraud_share_since_first",
            f"Share of frauds among the outcomes since the day of the first fraud {reported}",
            "ratio",
            "How much of what comes is fraud since it began",
        ),
        feature(
            "fraud_run",
            f"Frauds after the day of the latest legitimate outcome, {reported}",
            "count",
            "Nothing but fraud comes from it",
        ),
        feature(
            "fraud_run_days",
            f"Days since the first fraud after the day of the latest legitimate outcome, {reported}",
            "day",
            "How long nothing but fraud has come from it",
        ),
    ]


def _build() -> tuple[Feature, ...]:
    features = _row_features() + _account_features()
    features += _profile_features("merchant", "merchant_id")
    features += _profile_features("device", "device_id")
    features.append(
        Feature(
            "device_account_count",
            f"Different accounts seen on the device, up to {RECENT_ACCOUNTS}",
            "count",
            ("device_id", "account_id"),
            "One device, many victims",
            PersonalData.BEHAVIOURAL,
        )
    )
    features += _profile_features("category", "merchant_category_code")
    return tuple(features)


CATALOGUE: tuple[Feature, ...] = _build()
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in CATALOGUE)


@cache
def feature_index() -> dict[str, int]:
    """Returns the column of each feature of the catalogue."""
    return {name: column for column, name in enumerate(FEATURE_NAMES)}


@cache
def catalogue_fingerprint() -> str:
    """Hash of all definitions in order: 64 hexadecimal digits."""
    return hashlib.sha256("\n".join(f"{f.name} {f.fingerprint}" for f in CATALOGUE).encode()).hexdigest()
