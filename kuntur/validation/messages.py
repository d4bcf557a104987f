"""The rules of a transaction and of an outcome as messages: every violation, with its field path.

This is the slow and complete reading, for the few that are wrong; `kuntur.wire` finds out which those
are while it converts.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Container
from dataclasses import dataclass

from kuntur.api.v1 import outcome_pb2, transaction_pb2
from kuntur.currency import ASSIGNABLE_COUNTRY_NUMBER, COUNTRY_NUMBER, CURRENCY_NUMBER
from kuntur.transaction import (
    ATTRIBUTE_NAME_PATTERN,
    MAX_ACCOUNT_AGE_DAYS,
    MAX_AMOUNT_MINOR,
    MAX_ATTRIBUTES,
    MAX_BALANCE_MINOR,
    MAX_ID_BYTES,
    MIN_EVENT_TIME_S,
    AccountType,
    Channel,
    TransactionType,
)

_ATTRIBUTE_NAME = re.compile(ATTRIBUTE_NAME_PATTERN)
_CATEGORY_CODE = re.compile("[0-9]{4}")
_MAX_NANOS = 999_999_999
MAX_IP_BYTES = 45


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a field breaks: its path from the message checked, and the rule."""

    field: str
    description: str


def is_ip_address(text: str) -> bool:
    """Tells whether a text is an IPv4 or IPv6 address without a zone."""
    if len(text) > MAX_IP_BYTES or "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_attribute(name: str, value: float) -> bool:
    """Tells whether an attribute's name and value are as they must be."""
    return math.isfinite(value) and _ATTRIBUTE_NAME.fullmatch(name) is not None


def _id_violations(message: object, field: str, *, required: bool) -> list[Violation]:
    length = len(getattr(message, field).encode())
    if required and length == 0:
        return [Violation(field, "is required")]
    if length > MAX_ID_BYTES:
        return [Violation(field, f"has {length} bytes; at most {MAX_ID_BYTES} are allowed")]
    return []


def _time_violations(message: object, field: str, latest_time_us: int) -> list[Violation]:
    if not message.HasField(field):  # type: ignore[attr-defined]  # every message has it
        return [Violation(field, "is required")]
    time = getattr(message, field)
    if not 0 <= time.nanos <= _MAX_NANOS:
        return [Violation(f"{field}.nanos", "is not from 0 to 999,999,999")]
    if time.seconds < MIN_EVENT_TIME_S:
        return [Violation(field, "is before 1990-01-01T00:00:00Z")]
    if time.seconds * 1_000_000 + time.nanos // 1_000 > latest_time_us:
        return [Violation(field, "is too far in the future")]
    return []


def _enum_violations(transaction: transaction_pb2.Transaction) -> list[Violation]:
    return [
        Violation(field, f"has the unknown value {getattr(transaction, field)}")
        for field, values in (("type", TransactionType), ("channel", Channel), ("account_type", AccountType))
        if getattr(transaction, field) not in values.__members__.values()
    ]


def _position_violations(transaction: transaction_pb2.Transaction) -> list[Violation]:
    found = []
    fields = (
        ("merchant_latitude", "merchant_longitude", 90),
        ("merchant_longitude", "merchant_latitude", 180),
    )
    for field, other, limit in fields:
        if not transaction.HasField(field):
            if transaction.HasField(other):
                found.append(Violation(field, f"must be set when {other} is"))
        elif not -limit <= getattr(transaction, field) <= limit:
            found.append(Violation(field, f"is not from -{limit} to {limit} degrees"))
    return found


def _attribute_violations(transaction: transaction_pb2.Transaction) -> list[Violation]:
    if len(transaction.attributes) > MAX_ATTRIBUTES:
        return [Violation("attributes", f"has more than {MAX_ATTRIBUTES} entries")]
    found = []
    for name, value in sorted(transaction.attributes.items()):
        if _ATTRIBUTE_NAME.fullmatch(name) is None:
            rule = (
                "is no attribute name: a lower-case letter, then letters, digits and underscores, at most 64"
            )
            found.append(Violation(f'attributes["{name[:64]}"]', rule))
        elif not math.isfinite(value):
            found.append(Violation(f'attributes["{name}"]', "is not a finite number; leave it out"))
    return found


def transaction_violations(
    transaction: transaction_pb2.Transaction,
    latest_time_us: int,
    path: str = "",
    countries: Container[str] = COUNTRY_NUMBER,
) -> list[Violation]:
    """Returns every rule that a transaction breaks, in the order of its fields; none for a good one.

    latest_time_us: the latest event time allowed, microseconds since the epoch; path: put before each
    field's name; countries: codes that are valid, of `kuntur.currency.country_numbers`.
    """
    t = transaction
    found = _id_violations(t, "transaction_id", required=True)
    found += _id_violations(t, "institution_id", required=False)
    found += _time_violations(t, "event_time", latest_time_us)
    found += _id_violations(t, "account_id", required=True)
    if t.amount_minor < 0 or (
        t.amount_minor == 0 and t.type != transaction_pb2.TRANSACTION_TYPE_VERIFICATION
    ):
        rule = "must be above 0, or 0 for a VERIFICATION; the type tells the direction"
        found.append(Violation("amount_minor", rule))
    elif t.amount_minor > MAX_AMOUNT_MINOR:
        found.append(Violation("amount_minor", f"is above {MAX_AMOUNT_MINOR:,}"))
    if t.currency_code not in CURRENCY_NUMBER:
        found.append(Violation("currency_code", "is not a currency of ISO 4217, such as PEN"))
    found += _enum_violations(t)
    if t.HasField("account_balance_minor") and abs(t.account_balance_minor) > MAX_BALANCE_MINOR:
        found.append(Violation("account_balance_minor", f"is not within ±{MAX_BALANCE_MINOR:,}"))
    if t.HasField("account_age_days") and not 0 <= t.account_age_days <= MAX_ACCOUNT_AGE_DAYS:
        found.append(Violation("account_age_days", f"is not from 0 to {MAX_ACCOUNT_AGE_DAYS:,}"))
    found += _id_violations(t, "counterparty_account_id", required=False)
    found += _id_violations(t, "merchant_id", required=False)
    if t.merchant_category_code and _CATEGORY_CODE.fullmatch(t.merchant_category_code) is None:
        found.append(Violation("merchant_category_code", "is not four digits (ISO 18245)"))
    if t.merchant_country_code not in countries:
        rule = "is not a country of ISO 3166-1 alpha-2, such as PE"
        if t.merchant_country_code in ASSIGNABLE_COUNTRY_NUMBER:
            rule = "is a user-assigned code that institution.country_codes of the server does not name"
        found.append(Violation("merchant_country_code", rule))
    found += _position_violations(t)
    found += _id_violations(t, "device_id", required=False)
    if t.ip_address and not is_ip_address(t.ip_address):
        found.append(Violation("ip_address", "is not an IPv4 or IPv6 address"))
    found += _attribute_violations(t)
    return [Violation(path + v.field, v.description) for v in found] if path else found


def outcome_violations(outcome: outcome_pb2.Outcome, latest_time_us: int, path: str = "") -> list[Violation]:
    """Returns every rule that an outcome breaks, in the order of its fields; none for a good one."""
    found = _id_violations(outcome, "transaction_id", required=True)
    found += _id_violations(outcome, "institution_id", required=False)
    if outcome.label not in (outcome_pb2.OUTCOME_LABEL_FRAUD, outcome_pb2.OUTCOME_LABEL_LEGITIMATE):
        found.append(Violation("label", "must be FRAUD or LEGITIMATE"))
    found += _time_violations(outcome, "reported_time", latest_time_us)
    return [Violation(path + v.field, v.description) for v in found] if path else found
