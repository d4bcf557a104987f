"""Which column of a file is which field of a transaction, read from TOML.

A mapping only describes; `parse` turns it into expressions and `sources` into a table.
"""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kuntur.tables.schema import ENUMS, REQUIRED_FIELDS, TRANSACTION_COLUMNS
from kuntur.transaction import ATTRIBUTE_NAME_PATTERN, MAX_ATTRIBUTES

# What is the same in every row is no id, time or amount of a transaction.
_NEVER_CONSTANT = {"transaction_id", "event_time", "account_id", "amount_minor", "account_balance_minor"}


class MappingError(ValueError):
    """Says everything that is wrong with a mapping; the message is meant for the person who wrote it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TimeFormat(_Part):
    """How times are written; event and report times alike. Columns that are datetimes need no format."""

    format: str = "iso"
    """`iso` (2024-05-01T13:45:00, with or without fraction and offset, blank instead of T allowed),
    `epoch_s`, `epoch_ms`, `epoch_us` (since 1970-01-01T00:00:00Z), or a strptime pattern with a `%`."""
    zone: str = "UTC"
    """IANA time zone of times that carry no offset. A local time that a clock change repeats is its
    first occurrence; one that it skips is rejected."""

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in {"iso", "epoch_s", "epoch_ms", "epoch_us"} and "%" not in value:
            raise ValueError("is iso, epoch_s, epoch_ms, epoch_us or a pattern such as %d/%m/%Y %H:%M:%S")
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone, such as America/Lima")
        return value


class AmountFormat(_Part):
    """How money is written: amount and balance alike."""

    unit: Literal["major", "minor"] = "minor"
    """`minor`: whole céntimos or cents. `major`: a decimal number of soles or dollars, brought to the
    currency's minor unit exactly, halves to even; a float counts as its shortest decimal text."""
    decimal_comma: bool = False
    """Text writes 57,16 for 57.16."""
    zero_is_verification: bool = False
    """A row of amount zero becomes a VERIFICATION, the one type that may have it, and is not rejected."""


class Label(_Part):
    """What became of a transaction and when that became known."""

    column: str
    """Column with the label; null or empty means not labelled."""
    fraud: tuple[str, ...]
    """Values that mean fraud, as text (`1`, `true`)."""
    legitimate: tuple[str, ...] = ()
    """Values that mean legitimate; any further value is rejected. Empty: every value that is not fraud."""
    reported_time: str | None = None
    """Column with the time at which the label became known."""
    delay_days: float | None = Field(default=None, ge=0, le=3650)
    """Reported time = event time + this, where there is no column for it or its value is not given."""
    labelled: str | None = None
    """Column that says whether a row is labelled at all. Unset: a row is labelled when the label is given."""
    labelled_values: tuple[str, ...] = ("1", "true")
    """Values of that column that mean labelled."""

    @model_validator(mode="after")
    def _reported_somehow(self) -> Self:
        if self.reported_time is None and self.delay_days is None:
            raise ValueError("needs reported_time (a column) or delay_days: when did the label become known?")
        if not self.fraud:
            raise ValueError("fraud needs at least one value")
        if both := set(self.fraud) & set(self.legitimate):
            raise ValueError(f"{sorted(both)} cannot mean fraud and legitimate")
        return self


class Mapping(_Part):
    """Which column gives which field, and how its values are written."""

    description: str = ""
    """What the files are, for people."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Canonical field to source column. A field in neither `columns` nor `constants` is not given."""
    constants: dict[str, str | int | float] = Field(default_factory=dict)
    """Canonical field to the value that it has in every row, written as a column would hold it."""
    optional: tuple[str, ...] = ()
    """Fields whose column a file may lack (they are then not given); `label` for the whole label."""
    time: TimeFormat = TimeFormat()
    """How times are written."""
    amount: AmountFormat = AmountFormat()
    """How amount and balance are written."""
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    """For type, channel and account_type: source value to the name of the enum value. Names and numbers
    of the enum itself are always understood; anything else is rejected."""
    label: Label | None = None
    """The label; unset when the files have none."""
    attributes: dict[str, str] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES)
    """Attribute name to source column, for inputs that only this institution has."""
    attribute_prefix: str | None = None
    """Every column that begins with this is an attribute, named by what follows the prefix."""
    nan_is_unset: bool = False
    """NaN in a float column means not given, as pandas writes it. Otherwise NaN is rejected."""
    csv_separator: str = Field(default=",", min_length=1, max_length=1)
    """What separates the values in CSV files."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*self._unknown_fields(), *self._value_problems()]
        both = sorted(set(self.columns) & set(self.constants))
        problems += [f"{name} is both a column and a constant" for name in both]
        given = set(self.columns) | set(self.constants)
        problems += [
            f"{name} is required: give it in [columns] or [constants]"
            for name in REQUIRED_FIELDS
            if name not in given
        ]
        problems += [
            f"attribute name {name!r}: a lower-case letter, then letters, digits, underscores, at most 64"
            for name in self.attributes
            if not re.fullmatch(ATTRIBUTE_NAME_PATTERN, name)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unknown_fields(self) -> Iterable[str]:
        for part, allowed in (
            ("columns", TRANSACTION_COLUMNS.keys()),
            ("constants", TRANSACTION_COLUMNS.keys() - _NEVER_CONSTANT),
            ("optional", (TRANSACTION_COLUMNS.keys() - set(REQUIRED_FIELDS)) | {"label"}),
            ("values", ENUMS.keys()),
        ):
            for name in getattr(self, part):
                if name not in allowed:
                    yield f"{part}.{name}: the fields allowed there are {', '.join(sorted(allowed))}"

    def _value_problems(self) -> Iterable[str]:
        for field, translations in self.values.items():
            known = set(ENUMS[field].__members__) if field in ENUMS else set()
            for source, name in translations.items():
                if field in ENUMS and name not in known:
                    yield f"values.{field}.{source} = {name!r}: choose from {', '.join(sorted(known))}"

    def aware(self, moment: datetime | None) -> datetime | None:
        """Gives a moment in UTC; one that names no zone is in that of the files' times."""
        if moment is None:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zoneinfo.ZoneInfo(self.time.zone))
        return moment.astimezone(UTC)

    @classmethod
    def load(cls, path_or_name: str | Path) -> Self:
        """Reads a mapping from a TOML file, or one of `shipped_mappings()` by its name.

        Raises MappingError, with every problem, when there is none or it is not valid.
        """
        name = str(path_or_name)
        if name in shipped_mappings():
            text = _shipped(name).read_text(encoding="utf-8")
        else:
            path = Path(path_or_name)
            if not path.is_file():
                shipped = ", ".join(shipped_mappings())
                raise MappingError(f"no mapping {name!r}: no such file, and the shipped ones are {shipped}")
            text = path.read_text(encoding="utf-8")
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise MappingError(f"mapping {name}: not valid TOML: {error}") from error
        except ValidationError as error:
            lines = [
                f"  {'.'.join(map(str, item['loc'])) or 'mapping'}: {_message(item['msg'])}"
                for item in error.errors()
            ]
            raise MappingError("\n".join([f"mapping {name} is not valid:", *lines])) from error


def _message(text: str) -> str:
    return text.removeprefix("Value error, ")


def _shipped(name: str) -> resources.abc.Traversable:
    return resources.files("kuntur.tables") / "mappings" / f"{name}.toml"


def shipped_mappings() -> tuple[str, ...]:
    """Gives the names of the mappings that come with Kuntur."""
    folder = resources.files("kuntur.tables") / "mappings"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))
