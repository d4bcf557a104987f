"""Which column of a file is which field of a transaction, read from TOML.

A mapping only describes: `reading.canonical` turns it into expressions, `sources` and `outcomes` read by it.
"""

from __future__ import annotations

import re
import tomllib
import zoneinfo
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, model_validator

from kuntur.currency import checked_user_assigned
from kuntur.fields.schema import CODES, ENUMS, OUTCOME_REQUIRED_FIELDS, REQUIRED_FIELDS, TRANSACTION_COLUMNS
from kuntur.fields.transaction import ATTRIBUTES
from kuntur.files.paths import UnusableFileError, missing_mapping, read_settings, shipped_mappings
from kuntur.files.toml import parse_toml
from kuntur.tables.formats import AmountFormat, Label, Part, TimeFormat

Reads = Literal["transactions", "outcomes"]

# No id, time or amount of a transaction is the same in every row.
_NEVER_CONSTANT = {"transaction_id", "event_time", "account_id", "amount_minor", "account_balance_minor"}


class MappingError(ValueError):
    """A mapping is not valid; the message lists every problem for the person who wrote it."""


class Mapping(Part):
    """Which column gives which field, and how its values are written."""

    description: str = ""
    """What the files are, for people."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Canonical field to source column. A field in neither `columns` nor `constants` is not given."""
    constants: dict[str, str | int | float] = Field(default_factory=dict)
    """Canonical field to the value that it has in every row, written as a column would hold it."""
    optional: tuple[str, ...] = ()
    """Fields whose column a file may lack (they are then not given); `label` for the whole label,
    `label.kind` for the kind of fraud alone."""
    time: TimeFormat = TimeFormat()
    """How times are written."""
    amount: AmountFormat = AmountFormat()
    """How amount and balance are written."""
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    """For type, channel and account_type: source value to the name of the enum value. Names and numbers
    of the enum itself are always understood; anything else is rejected. For currency, category and country:
    source value to code; what is not named stays as it is."""
    country_codes: Annotated[tuple[str, ...], AfterValidator(checked_user_assigned)] = ()
    """User-assigned codes of ISO 3166-1 (AA, QM to QZ, XA to XZ, ZZ) that are valid as countries in these
    files; the server takes them where its `institution.country_codes` names them, too."""
    label: Label | None = None
    """The label; unset when the files have none."""
    attributes: dict[str, str] = Field(default_factory=dict, max_length=ATTRIBUTES.most)
    """Attribute name to source column, for inputs that only this institution has."""
    attribute_prefix: str | None = None
    """Every column that begins with this is an attribute, named by what follows the prefix."""
    nan_is_unset: bool = False
    """NaN in a float column, and the text NaN or nan in any other, means not given, as pandas writes it.
    Otherwise NaN is rejected where a number is meant."""
    file_format: Literal["csv", "parquet", "jsonl"] | None = None
    """What the files are, whatever their names end in. Unset: as each file's ending says (`.csv`, `.parquet`,
    `.pq`, `.jsonl`, `.ndjson`)."""
    csv_separator: str = Field(default=",", min_length=1, max_length=1)
    """What separates the values in CSV files."""

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        problems = [*self._unknown_fields(), *self._value_problems()]
        both = sorted(set(self.columns) & set(self.constants))
        problems += [f"{name} is both a column and a constant" for name in both]
        problems += self._kind_as_input()
        problems += self._lacking((info.context or {}).get("reads", "transactions"))
        problems += [
            f"attribute name {name!r}: must be {ATTRIBUTES.name_words}"
            for name in self.attributes
            if not re.fullmatch(ATTRIBUTES.name_pattern, name)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unknown_fields(self) -> Iterable[str]:
        for part, allowed in (
            ("columns", TRANSACTION_COLUMNS.keys()),
            ("constants", TRANSACTION_COLUMNS.keys() - _NEVER_CONSTANT),
            ("optional", (TRANSACTION_COLUMNS.keys() - set(REQUIRED_FIELDS)) | {"label", "label.kind"}),
            ("values", ENUMS.keys() | set(CODES)),
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

    def _kind_as_input(self) -> Iterable[str]:
        kind = None if self.label is None else self.label.kind
        if kind is None:
            return
        inputs = {f"columns.{name}": column for name, column in self.columns.items()}
        inputs |= {f"attributes.{name}": column for name, column in self.attributes.items()}
        if self.attribute_prefix is not None and kind.startswith(self.attribute_prefix):
            inputs["an attribute by attribute_prefix"] = kind
        for place, column in inputs.items():
            if column == kind:
                yield f"label.kind = {kind!r} is also {place}: what kind of fraud it was can be no input"

    def _lacking(self, reads: Reads) -> Iterable[str]:
        required = REQUIRED_FIELDS if reads == "transactions" else OUTCOME_REQUIRED_FIELDS
        for name in required:
            if name not in self.columns and name not in self.constants:
                yield f"{name} is required: give it in [columns] or [constants]"
        if reads == "transactions":
            return
        if self.label is None:
            yield "label is required: an outcome is what [label] reads"
        elif self.label.reported_time is None and "event_time" not in self.columns:
            yield (
                "label.delay_days counts from event_time, which is not given, so no outcome has a reported "
                "time: give label.reported_time (a column), or event_time in [columns]"
            )

    def require(self, reads: Reads) -> None:
        """Raises MappingError, with every problem, when files cannot be read as this by the mapping."""
        if lacking := list(self._lacking(reads)):
            lines = [f"the mapping cannot be used to read {reads}:", *(f"  {each}" for each in lacking)]
            raise MappingError("\n".join(lines))

    def aware(self, moment: datetime | None) -> datetime | None:
        """Returns a moment in UTC; one without a zone is taken to be in that of the files' times."""
        if moment is None:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zoneinfo.ZoneInfo(self.time.zone))
        return moment.astimezone(UTC)

    def accepting(self, country_codes: Iterable[str]) -> Self:
        """Returns the mapping with more user-assigned codes of countries."""
        codes = tuple(dict.fromkeys((*self.country_codes, *country_codes)))
        return self.model_copy(update={"country_codes": codes})

    @property
    def names_kinds(self) -> bool:
        """Whether tables say what kind of fraud a row was."""
        return self.label is not None and self.label.kind is not None

    def without_kinds(self) -> Self:
        """Returns the mapping without the kind of fraud, for all that does not judge by it."""
        if self.label is None:
            return self
        return self.model_copy(update={"label": self.label.model_copy(update={"kind": None})})

    @classmethod
    def load(cls, path_or_name: str | Path, *, reads: Reads = "transactions") -> Self:
        """Reads a mapping from a TOML file, or one of `shipped_mappings()` by its name.

        reads: what it is to be used for; outcomes need fewer fields, but a label. Raises MappingError, with
        every problem, when the mapping is missing or not valid.
        """
        name = str(path_or_name)
        if name in shipped_mappings():
            text = _shipped(name).read_text(encoding="utf-8")
        else:
            if problem := missing_mapping(name):
                raise MappingError(problem)
            try:
                text = read_settings(name)
            except UnusableFileError as error:
                raise MappingError(f"mapping {name}: {error}") from error
        try:
            return cls.model_validate(parse_toml(text), context={"reads": reads})
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
