"""How times, money and labels are written in files: the parts of a mapping that describe values.

Which column holds which field is left to `mapping`.
"""

from __future__ import annotations

import zoneinfo
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Part(BaseModel):
    """A part of a mapping: has no other keys than these, and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _known_format(value: str) -> str:
    if value not in {"iso", "epoch_s", "epoch_ms", "epoch_us"} and "%" not in value:
        raise ValueError("must be iso, epoch_s, epoch_ms, epoch_us or a pattern such as %d/%m/%Y %H:%M:%S")
    return value


class TimeFormat(Part):
    """How times are written; event and report times alike. Columns that are datetimes need no format.

    A date without a time of day, as a date column, as ISO text or by a pattern without an hour, is the
    start of that local day as an event time and its end, the next local midnight, as a report time: a
    report of that day may have come at any hour of it.
    """

    format: str = "iso"
    """`iso` (2024-05-01T13:45:00, with or without fraction and offset, blank instead of T allowed),
    `epoch_s`, `epoch_ms`, `epoch_us` (since 1970-01-01T00:00:00Z), or a strptime pattern with a `%`."""
    zone: str = "UTC"
    """IANA time zone of times that carry no offset. A local time that a clock change repeats is its
    first occurrence; one that it skips is rejected. A day whose midnight is skipped begins right after."""

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, value: str) -> str:
        return _known_format(value)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone, such as America/Lima")
        return value


class AmountFormat(Part):
    """How money is written: amount and balance alike."""

    unit: Literal["major", "minor"] = "minor"
    """`minor`: whole céntimos or cents. `major`: a decimal number of soles or dollars, brought to the
    currency's minor unit exactly, halves to even; a float counts as its shortest decimal text."""
    decimal_comma: bool = False
    """Text writes 57,16 for 57.16."""
    zero_is_verification: bool = False
    """A row of amount zero becomes a VERIFICATION, the one type that may have it, and is not rejected."""


class Label(Part):
    """What a transaction turned out to be, and when that became known."""

    column: str
    """Column with the label; null or empty means not labelled."""
    fraud: tuple[str, ...]
    """Values that mean fraud, as text (`1`, `true`)."""
    legitimate: tuple[str, ...] = ()
    """Values that mean legitimate; any further value is rejected. Empty: every value that is not fraud."""
    reported_time: str | None = None
    """Column with the time at which the label became known. A date without a time of day is the end of
    that local day. Where only frauds have one, `delay_days` serves for the other rows."""
    reported_format: str | None = None
    """How that column is written, as `time.format` says it. Unset: as event times are."""
    delay_days: float | None = Field(default=None, ge=0, le=3650)
    """Reported time = event time + this, where there is no column for it or its value is not given."""
    labelled: str | None = None
    """Column that says whether a row is labelled at all. Unset: a row is labelled when the label is given."""
    labelled_values: tuple[str, ...] = ("1", "true", "True", "TRUE")
    """Values of that column that mean labelled."""
    unlabelled_values: tuple[str, ...] = ("0", "false", "False", "FALSE")
    """Values of that column that mean not labelled, as null and empty do; any further value is rejected."""
    kind: str | None = None
    """Column that says what kind of fraud it was, for `kuntur-trainer backtest` to judge by and never an
    input. Read on frauds alone, at most 128 bytes; empty means not known."""

    @field_validator("reported_format")
    @classmethod
    def _reported_format_is_known(cls, value: str | None) -> str | None:
        return None if value is None else _known_format(value)

    @model_validator(mode="after")
    def _reported_somehow(self) -> Self:
        if self.reported_time is None and self.delay_days is None:
            raise ValueError("needs reported_time (a column) or delay_days: when did the label become known?")
        if not self.fraud:
            raise ValueError("fraud needs at least one value")
        if both := set(self.fraud) & set(self.legitimate):
            raise ValueError(f"{sorted(both)} cannot mean fraud and legitimate")
        if both := set(self.labelled_values) & set(self.unlabelled_values):
            raise ValueError(f"{sorted(both)} cannot mean labelled and not labelled")
        return self
