"""Sentences held against the code: a template with places for numbers, and what the code says for each.

A template is the text as it stands in the file, on one line: line ends, comment marks and the joints of
Python's strings do not count. In it

    {}      stands for a number, as digits or in words, with or without a unit (4,096 · five · 32 KiB · 1 %),
    {text}  for one word of anything, compared as text,
    …       for up to eighty characters of anything.

Seconds, bytes and shares are compared in these: "0.1 s", "100 ms" and "32 KiB" are 0.1, 0.1 and 32,768.
"""

from __future__ import annotations

import importlib
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).parents[3]
_WORDS: dict[str, float] = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
    "half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "tenth": 1 / 10,
}  # fmt: skip
_UNITS: dict[str, float] = {
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "µs": 1e-6, "ms": 1e-3, "s": 1, "minutes": 60, "%": 1e-2,
    "million": 1e6,
}  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_NUMBER = r"(?:-?\d[\d,]*(?:\.\d+)?(?:\s×\s10[⁻⁰-⁹¹²³]+)?(?:\^\d+|[⁻⁰⁴-⁹¹²³]+)?|" + "|".join(_WORDS) + r")\b"
VALUE = rf"{_NUMBER}(?:\s(?:{'|'.join(_UNITS)})(?!\w))?"
_PLACES = {"{}": rf"(?<![\w.,])({VALUE})", "{text}": r"([^\s`,;:()]+?)", "…": ".{0,80}?"}
_COMMENT = {".proto": r"\s*//\s?", ".py": r"\s*#:?\s?", ".toml": r"\s*#\s?", "": r"\s*#\s?"}
_COMMENT[".Dockerfile"] = _COMMENT[".toml"]


def value_of(text: str) -> float:
    """Returns what a number in a text comes to, in seconds, bytes or shares where it has such a unit."""
    number, _, unit = text.partition(" ")
    factor = 1.0
    if unit.startswith("×"):  # 2 × 10⁻⁶
        factor, unit = float(f"1e{unit.split('10', 1)[1].translate(_RAISED)}"), ""
    factor *= _UNITS[unit] if unit else 1.0
    if number in _WORDS:
        return _WORDS[number] * factor
    base, mark, power = number.replace(",", "").partition("^")
    raised = re.fullmatch(r"(-?[\d.]+?)([⁻⁰⁴-⁹¹²³]+)", base)
    if raised:
        base, mark, power = raised[1], "^", raised[2].translate(_RAISED)
    return (float(base) ** int(power) if mark else float(base)) * factor


def agrees(said: str, expected: object) -> bool:
    """Returns whether what a sentence says is what the code says; a number with "million" is a round one."""
    if isinstance(expected, str | Path):
        return said == str(expected)
    if not isinstance(expected, int | float):
        return False
    tolerance = 0.05 if "million" in said else 1e-9
    return math.isclose(value_of(said), float(expected), rel_tol=tolerance)


@dataclass(frozen=True, slots=True)
class Code:
    """What the code says: the value of a name, looked up when it is compared."""

    told: str
    look: Callable[[], Any]

    def value(self) -> Any:
        """Returns the value. Raises what the look-up raises."""
        return self.look()

    def by(self, factor: float) -> Code:
        """Returns the same, times a factor: for another unit."""
        return Code(f"{self.told} × {factor:g}", lambda: self.look() * factor)


def of(module: str, name: str) -> Code:
    """Returns a name of a module, with dots and places in tuples: "SHARDED[1]"."""

    def look() -> object:
        found: Any = importlib.import_module(module)
        for part in re.findall(r"\w+", name):
            found = found[int(part)] if part.isdigit() else getattr(found, part)
        return found

    return Code(f"{module}.{name}", look)


def within(name: str, *packages: str) -> Code:
    """Returns a constant that one of the modules below the packages has."""

    def look() -> object:
        defining = re.compile(rf"^{name}\b.* = ", re.MULTILINE)
        folders = [ROOT.joinpath(*package.split(".")) for package in packages]
        modules = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
        (path,) = (path for path in modules if defining.search(path.read_text("utf-8")))
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        return getattr(importlib.import_module(module), name)

    return Code(f"{name} in {' or '.join(packages)}", look)


def _settings(program: str) -> type[BaseModel]:
    module, name = {
        "server": ("server.settings.config", "ServerSettings"),
        "trainer": ("trainer.settings.config", "TrainerSettings"),
    }[program]
    found: type[BaseModel] = getattr(importlib.import_module(module), name)
    return found


def default(program: str, key: str) -> Code:
    """Returns the default of a setting."""

    def look() -> object:
        # As they are declared: the environment of whoever runs the tests does not count.
        *sections, name = key.split(".")
        holder = _settings(program)
        for section in sections:
            holder = holder.model_fields[section].annotation
        return holder.model_fields[name].default

    return Code(f"{key} of the {program}", look)


def client(name: str) -> Code:
    """Returns a default of the clients' settings."""

    def look() -> object:
        from clients.config import ClientConfig

        return getattr(ClientConfig(), name)

    return Code(f"ClientConfig.{name}", look)


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of a file, or of one of the files of a pattern, and what the code says for its numbers."""

    file: str
    template: str
    expected: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.file}: {self.template}"


def says(file: str, template: str, *expected: object) -> Statement:
    """Returns a statement; expected: values, or `of`, `default`, `client` for what is looked up."""
    return Statement(file, template, expected)


class Page:
    """A text file on one line, which knows where each part of it stood."""

    def __init__(self, path: Path) -> None:
        comment = re.compile(_COMMENT.get(path.suffix, r"(?!)"))
        self.text, self._starts = "", []
        for raw in path.read_text(encoding="utf-8").splitlines():
            line = comment.sub("", raw, count=1) if comment.match(raw) else raw.strip()
            joint = re.match(r'f?"', line) if path.suffix == ".py" and self.text.endswith('" ') else None
            if joint:  # a string that goes on
                self.text, line = self.text[:-2], line[joint.end() :]
            self._starts.append(len(self.text))
            self.text += " ".join(line.split()) + " "

    def line(self, offset: int) -> int:
        """Returns the number of the line of a place in the text."""
        return bisect_right(self._starts, offset)


def _files(file: str) -> list[str]:
    """Returns the files of a path, or of a pattern such as server/settings/*.py."""
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(file))] if "*" in file else [file]


@cache
def page(file: str) -> Page:
    """Returns a file of the repository."""
    return Page(ROOT / file)


@cache
def pattern(template: str) -> re.Pattern[str]:
    """Returns the regular expression of a template."""
    parts = re.split(r"(\{\}|\{text\}|…)", template)
    return re.compile("".join(_PLACES.get(part, re.escape(part)) for part in parts))


def untrue(statement: Statement) -> Iterator[str]:
    """Yields what is wrong with a statement, with file and line; nothing when it is true."""
    found = [
        (file, match)
        for file in _files(statement.file)
        for match in pattern(statement.template).finditer(page(file).text)
    ]
    if not found:
        yield f"{statement.file}: nothing reads like {statement.template!r}: mend the sentence or the table"
    for file, match in found:
        where = f"{file}:{page(file).line(match.start())}"
        if len(match.groups()) != len(statement.expected):
            yield f"{where}: the template has not as many places as there are values expected"
            continue
        for said, expected in zip(match.groups(), statement.expected, strict=True):
            told, value = "", expected
            if isinstance(expected, Code):
                told, value = f" ({expected.told})", expected.value()
            if not agrees(said, value):
                yield f"{where}: the sentence says {said}, the code {value}{told}: {match[0]!r}"
