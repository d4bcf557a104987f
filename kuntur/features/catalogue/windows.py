"""Features that every kind of entity has: windows of time, and bursts."""

from __future__ import annotations

from kuntur.features.catalogue.feature import Feature, PersonalData
from kuntur.records.layout import Window


def window_features(entity: str, window: Window, source: str) -> list[Feature]:
    """Returns those of one window; source: the field that names the entity."""
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


def day_burst(entity: str, source: str) -> Feature:
    """Returns the burst of a day against the week."""
    return Feature(
        f"{entity}_burst_24h_7d",
        f"Transactions of the {entity} in the last 24h against the week's daily mean; unset without any",
        "ratio",
        (source, "event_time"),
        "Sudden activity",
        PersonalData.BEHAVIOURAL if entity == "account" else PersonalData.NONE,
        since="2",
    )
