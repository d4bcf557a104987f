"""Features of a merchant, a device or a category: its traffic, and what was reported of it."""

from __future__ import annotations

from kuntur.features.catalogue.feature import Feature, PersonalData
from kuntur.features.catalogue.windows import day_burst, window_features
from kuntur.records.layout import LABEL_WINDOWS_DAYS, RECENT_ACCOUNTS, WINDOWS


def profile_features(entity: str, source: str) -> list[Feature]:
    """Returns those of one kind of entity in order; source: the field that names it."""
    features = [f for window in WINDOWS for f in window_features(entity, window, source)]
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
        day_burst(entity, source),
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


def device_account_count() -> Feature:
    """Returns the one feature that only a device has."""
    return Feature(
        "device_account_count",
        f"Different accounts seen on the device, up to {RECENT_ACCOUNTS}",
        "count",
        ("device_id", "account_id"),
        "One device, many victims",
        PersonalData.BEHAVIOURAL,
    )
