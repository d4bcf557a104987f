"""The rules of a transaction and of an outcome as messages: every violation, with its field path.

This is the slow and complete reading, for the few that are wrong; `kuntur.wire` finds out which those
are while it converts. The limits are those of `kuntur.fields`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kuntur.api.v1 import outcome_pb2, transaction_pb2
from kuntur.currency import ASSIGNABLE_COUNTRY_NUMBER, COUNTRY_NUMBER, CURRENCY_NUMBER
from kuntur.fields.kinds import Amount, Choice, Field, Moment, Real, Text, Whole
from kuntur.fields.outcome import OUTCOME_FIELDS
from kuntur.fields.transaction import (
    ATTRIBUTES,
    CURRENCY_CODE,
    IP_ADDRESS,
    MERCHANT_CATEGORY_CODE,
    MERCHANT_COUNTRY_CODE,
    TRANSACTION_FIELDS,
)
from kuntur.validation.addresses import is_ip_address

_ATTRIBUTE_NAME = re.compile(ATTRIBUTES.name_pattern)
_CATEGORY_CODE = re.compile(MERCHANT_CATEGORY_CODE.pattern)
_MAX_NANOS = 999_999_999


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a field breaks: its path from the message checked, and the rule."""

    field: str
    description: str


def is_attribute(name: str, value: float) -> bool:
    """Tells whether an attribute has a valid name and a finite value."""
    return math.isfinite(value) and _ATTRIBUTE_NAME.fullmatch(name) is not None


def transaction_violations(
    transaction: transaction_pb2.Transaction,
    latest_time_us: int,
    path: str = "",
    countries: Container[str] = COUNTRY_NUMBER,
) -> list[Violation]:
    """Returns every rule that a transaction breaks, in the order of its fields; none for a good one.

    Args:
        transaction: The message.
        latest_time_us: The latest event time allowed, microseconds since the epoch.
        path: Put before each field's name.
        countries: Codes that are valid, of `kuntur.currency.country_numbers`.
    """
    found: list[Violation] = []
    for field in TRANSACTION_FIELDS:
        if field is ATTRIBUTES:
            found += _attribute_violations(transaction)
        elif field is MERCHANT_COUNTRY_CODE:
            found += _country_violations(transaction.merchant_country_code, countries)
        else:
            found += _field_violations(transaction, field, latest_time_us)
    return _below(path, found)


def outcome_violations(outcome: outcome_pb2.Outcome, latest_time_us: int, path: str = "") -> list[Violation]:
    """Returns every rule that an outcome breaks, in the order of its fields; none for a good one."""
    found: list[Violation] = []
    for field in OUTCOME_FIELDS:
        found += _field_violations(outcome, field, latest_time_us)
    return _below(path, found)


def _below(path: str, found: list[Violation]) -> list[Violation]:
    return [Violation(path + each.field, each.description) for each in found] if path else found


def _field_violations(message: Any, field: Field, latest_time_us: int) -> Iterable[Violation]:
    match field:
        case Text():
            return _text_violations(field, getattr(message, field.name))
        case Moment():
            return _time_violations(message, field, latest_time_us)
        case Choice():
            return _choice_violations(field, getattr(message, field.name))
        case Amount():
            return _amount_violations(message, field)
        case Whole():
            return _number_violations(message, field)
        case Real():
            return _position_violations(message, field)
        case _:
            raise TypeError(f"{field.name} is of no kind that is checked by itself")


def _text_violations(field: Text, text: str) -> Iterator[Violation]:
    length = len(text.encode())
    if field is CURRENCY_CODE:
        if text not in CURRENCY_NUMBER:
            yield Violation(field.name, "is not a currency of ISO 4217, such as PEN")
    elif field is MERCHANT_CATEGORY_CODE:
        if text and _CATEGORY_CODE.fullmatch(text) is None:
            yield Violation(field.name, "is not four digits (ISO 18245)")
    elif field is IP_ADDRESS:
        if text and not is_ip_address(text):
            yield Violation(field.name, "is not an IPv4 or IPv6 address")
    elif field.required and length == 0:
        yield Violation(field.name, "is required")
    elif length > field.max_bytes:
        yield Violation(field.name, f"has {length} bytes; at most {field.max_bytes} are allowed")


def _country_violations(code: str, countries: Container[str]) -> Iterator[Violation]:
    if code in countries:
        return
    rule = "is not a country of ISO 3166-1 alpha-2, such as PE"
    if code in ASSIGNABLE_COUNTRY_NUMBER:
        rule = "is a user-assigned code that institution.country_codes of the server does not name"
    yield Violation(MERCHANT_COUNTRY_CODE.name, rule)


def _time_violations(message: Any, field: Moment, latest_time_us: int) -> Iterator[Violation]:
    time = getattr(message, field.name)
    if not message.HasField(field.name):
        yield Violation(field.name, "is required")
    elif not 0 <= time.nanos <= _MAX_NANOS:
        yield Violation(f"{field.name}.nanos", f"is not from 0 to {_MAX_NANOS:,}")
    elif time.seconds < field.earliest_s:
        yield Violation(field.name, f"is before {field.earliest_words}")
    elif time.seconds * 1_000_000 + time.nanos // 1_000 > latest_time_us:
        yield Violation(field.name, "is too far in the future")


def _choice_violations(field: Choice, number: int) -> Iterator[Violation]:
    if number in field.enum.__members__.values():
        return
    rule = f"has the unknown value {number}"
    if field.required:
        rule = f"must be {' or '.join(value.name for value in field.enum)}"
    yield Violation(field.name, rule)


def _amount_violations(message: Any, field: Amount) -> Iterator[Violation]:
    amount = getattr(message, field.name)
    if amount < field.low or (amount == 0 and message.type != field.zero_only_for):
        rule = f"must be above 0, or 0 for a {field.zero_only_for.name}; the type tells the direction"
        yield Violation(field.name, rule)
    elif amount > field.high:
        yield Violation(field.name, f"is above {field.high:,}")


def _number_violations(message: Any, field: Whole) -> Iterator[Violation]:
    if field.optional and not message.HasField(field.name):
        return
    if not field.low <= getattr(message, field.name) <= field.high:
        around_zero = field.low == -field.high
        allowed = f"within ±{field.high:,}" if around_zero else f"from {field.low} to {field.high:,}"
        yield Violation(field.name, f"is not {allowed}")


def _position_violations(message: Any, field: Real) -> Iterator[Violation]:
    other = field.together_with
    if not message.HasField(field.name):
        if message.HasField(other):
            yield Violation(field.name, f"must be set when {other} is")
    elif not field.low <= getattr(message, field.name) <= field.high:
        yield Violation(field.name, f"is not from {field.low:g} to {field.high:g} {field.unit}")


def _attribute_violations(transaction: transaction_pb2.Transaction) -> Iterator[Violation]:
    if len(transaction.attributes) > ATTRIBUTES.most:
        yield Violation(ATTRIBUTES.name, f"has more than {ATTRIBUTES.most} entries")
        return
    for name, value in sorted(transaction.attributes.items()):
        if _ATTRIBUTE_NAME.fullmatch(name) is None:
            shown = name[: ATTRIBUTES.max_name_bytes]
            yield Violation(f'attributes["{shown}"]', f"is not an attribute name: {ATTRIBUTES.name_words}")
        elif not math.isfinite(value):
            yield Violation(f'attributes["{name}"]', "is not a finite number; leave it out")
