"""The kinds of field that a message has, each with the rules that its kind can have.

A declaration says what holds; how it is checked is left to `kuntur.validation` and `kuntur.wire`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(ABC):
    """One field of a message.

    name: the same in the proto, in mappings and in tables; number: that of the proto; meaning: one line for
    people; unit: of a number, "" where it has none; required: whether a message without it is refused.
    """

    name: str
    number: int
    meaning: str
    unit: str = ""
    required: bool = False

    @property
    @abstractmethod
    def type_words(self) -> str:
        """The type, as the proto writes it."""

    @property
    def range_words(self) -> str:
        """Which values are allowed, as people write it; "" where any value of the type is."""
        return ""

    @property
    def unset_words(self) -> str:
        """What stands for a value that is not given; "" for a required field."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Field):
    """UTF-8 text, "" when it is not given.

    max_bytes: the most bytes it may have, 0 where its form says it; digits: how many decimal digits it
    consists of, 0 for text of another form; codes: every code that is valid, with its number; form: what
    its text must be, for people.
    """

    max_bytes: int = 0
    digits: int = 0
    codes: Mapping[str, int] | None = field(default=None, repr=False)
    form: str = ""

    @property
    def pattern(self) -> str:
        """The regular expression that the whole text must match; "" where it has no digits."""
        return f"[0-9]{{{self.digits}}}" if self.digits else ""

    @property
    def type_words(self) -> str:
        return "string"

    @property
    def length_words(self) -> str:
        """How many bytes it may have; "" where its form says it."""
        if not self.max_bytes:
            return ""
        return f"1 to {self.max_bytes} bytes" if self.required else f"at most {self.max_bytes} bytes"

    @property
    def range_words(self) -> str:
        return ", ".join(filter(None, (self.form, self.length_words)))

    @property
    def unset_words(self) -> str:
        return "" if self.required else "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole(Field):
    """A whole number from `low` to `high`.

    bits: of the proto's type; optional: whether the message tells 0 from "not given".
    """

    low: int
    high: int
    bits: Literal[32, 64] = 64
    optional: bool = False

    @property
    def type_words(self) -> str:
        return f"int{self.bits}"

    @property
    def range_words(self) -> str:
        return f"within ±{short(self.high)}" if self.low == -self.high else f"{self.low} to {self.high:,}"

    @property
    def unset_words(self) -> str:
        return "unset, null in a table" if self.optional else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount(Whole):
    """Money that moves: above 0, or 0 for the one type of transaction that moves none."""

    zero_only_for: IntEnum

    @property
    def range_words(self) -> str:
        return f"above 0, or 0 for a {self.zero_only_for.name}; at most {short(self.high)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Real(Field):
    """A finite number from `low` to `high`, unset where it is not known.

    together_with: the field that is given with this one or not at all; "" where there is none.
    """

    low: float
    high: float
    together_with: str = ""

    @property
    def type_words(self) -> str:
        return "double"

    @property
    def range_words(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    @property
    def unset_words(self) -> str:
        return "unset, null in a table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Field):
    """One value of an enum, whose numbers are those of the proto's; 0 is not given, where it may be so."""

    enum: type[IntEnum]

    @property
    def last(self) -> int:
        """The highest number of the enum; its numbers have no gaps."""
        return int(max(self.enum))

    @property
    def type_words(self) -> str:
        return self.enum.__name__

    @property
    def range_words(self) -> str:
        return ", ".join(value.name for value in self.enum if value.value)

    @property
    def unset_words(self) -> str:
        return "" if self.required else "UNSPECIFIED (0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(Field):
    """A moment in UTC, in seconds since 1970-01-01T00:00:00Z.

    earliest_s: the first second allowed; latest_s: the last one that can be held at all. A server takes
    none that is later than its clock and a tolerance.
    """

    earliest_s: int
    latest_s: int

    @property
    def earliest_words(self) -> str:
        """The first second allowed, in ISO 8601."""
        return datetime.fromtimestamp(self.earliest_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def type_words(self) -> str:
        return "Timestamp"

    @property
    def range_words(self) -> str:
        return f"from {self.earliest_words[:10]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes(Field):
    """Finite numbers by name: a lower-case letter, then letters, digits and underscores.

    most: entries of a message; max_name_bytes: of a name.
    """

    most: int
    max_name_bytes: int

    @property
    def name_pattern(self) -> str:
        """The regular expression that a whole name must match."""
        return f"[a-z][a-z0-9_]{{0,{self.max_name_bytes - 1}}}"

    @property
    def name_words(self) -> str:
        """What a name must be, for people."""
        return f"a lower-case letter, then letters, digits and underscores, at most {self.max_name_bytes}"

    @property
    def type_words(self) -> str:
        return "map<string, double>"

    @property
    def range_words(self) -> str:
        return f"finite; at most {self.most} entries, names of at most {self.max_name_bytes} bytes"

    @property
    def unset_words(self) -> str:
        return "left out, null in a table"


def short(number: int) -> str:
    """Returns a power of ten as 10^13, any other number with commas."""
    digits = str(number)
    return f"10^{len(digits) - 1}" if digits.rstrip("0") == "1" and number > 10**6 else f"{number:,}"
