"""Features of the transaction by itself."""

from __future__ import annotations

from kuntur.features.catalogue.feature import Feature, PersonalData

_MONEY, _NONE = PersonalData.FINANCIAL, PersonalData.NONE


def transaction_features() -> list[Feature]:
    """Returns them in order."""
    return [*_amounts(), *_times(), *_kinds()]


def _amounts() -> list[Feature]:
    """Returns those of the amount."""
    amount = ("amount_minor", "currency_code")
    return [
        Feature(
            "amount",
            "Amount of the transaction",
            "currency unit",
            amount,
            "Fraud goes for more than the customer does",
            _MONEY,
        ),
        Feature(
            "log_amount",
            "Natural logarithm of one plus the amount",
            "log currency unit",
            amount,
            "Amounts differ by factors, not by sums",
            _MONEY,
        ),
        Feature(
            "amount_is_round",
            "1 when the amount is a whole multiple of 10",
            "flag",
            amount,
            "Round amounts are typical of cash-out",
            _MONEY,
        ),
        Feature(
            "amount_to_balance",
            "Amount as a share of the balance before it; unset without a positive balance",
            "ratio",
            (*amount, "account_balance_minor"),
            "Account takeovers drain the balance",
            _MONEY,
        ),
    ]


def _times() -> list[Feature]:
    """Returns those of the hour and day."""
    time = ("event_time",)
    return [
        Feature(
            "hour",
            "Hour of the day, in the institution's time zone",
            "hour",
            time,
            "Fraud keeps other hours",
            PersonalData.BEHAVIOURAL,
            local=True,
        ),
        Feature(
            "weekday",
            "Day of the week, Monday 0, in the institution's time zone",
            "day",
            time,
            "Habits follow the week",
            PersonalData.BEHAVIOURAL,
            local=True,
        ),
        Feature(
            "is_weekend",
            "1 on Saturday and Sunday, in the institution's time zone",
            "flag",
            time,
            "Fewer eyes on the account",
            PersonalData.BEHAVIOURAL,
            local=True,
        ),
        Feature(
            "is_night",
            "1 from 0:00 to 6:59, in the institution's time zone",
            "flag",
            time,
            "The customer sleeps",
            PersonalData.BEHAVIOURAL,
            local=True,
        ),
    ]


def _kinds() -> list[Feature]:
    """Returns those of what kind of transaction it is, and abroad or not."""
    return [
        Feature(
            "type",
            "Number of the transaction type; unset when unspecified",
            "code",
            ("type",),
            "Schemes use some types",
            _NONE,
        ),
        Feature(
            "channel",
            "Number of the channel; unset when unspecified",
            "code",
            ("channel",),
            "Schemes use some channels",
            _NONE,
        ),
        Feature(
            "account_type",
            "Number of the account type; unset when unspecified",
            "code",
            ("account_type",),
            "Some accounts are easier to abuse",
            _MONEY,
        ),
        Feature(
            "account_age_days",
            "Days since the account was opened",
            "day",
            ("account_age_days",),
            "Mule accounts are young",
            _MONEY,
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
            _NONE,
        ),
    ]
