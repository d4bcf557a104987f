"""Reasons in words: each feature's sentence, from the values of the row that was scored.

The words are data, in `sentences.toml`; numbers are shown by `kuntur.reasons.formats`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter

from kuntur.features import CATALOGUE, FEATURE_NAMES
from kuntur.features.catalogue import feature_index
from kuntur.reasons.formats import Format, format_of, number, span_in_words

_ENTITY_COUNT = "{entity}_count_30d"  # set whenever the transaction names the entity
_OWN = -1  # the place of a feature's own value, which need not be in the catalogue
_GROUP = re.compile(r"<(\w+)>")
_BRACES = re.compile(r"\{[^}]*\}")
_WORDS = {"category": "merchant category", "counterparty": "payee"}
_HOME_CURRENCY = "PEN"


@dataclass(frozen=True, slots=True)
class _Text:
    """Words, and values among them: the feature's own (_OWN) or those in columns of the catalogue."""

    parts: tuple[str | tuple[int, Format], ...]

    def shown(self, value: float, row: Sequence[float], currency: str) -> str | None:
        """Returns the sentence; None where it needs a value that is unset."""
        shown = []
        for part in self.parts:
            if isinstance(part, str):
                shown.append(part)
                continue
            column, form = part
            found = value if column == _OWN else row[column]
            if found != found:  # noqa: PLR0124  # NaN
                return None
            shown.append(form(found, currency))
        return "".join(shown)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said of one feature.

    entity_count: column of the catalogue that is unset where the feature's entity is not given; _OWN: none.
    """

    name: str
    set: tuple[_Text, ...]
    values: Mapping[float, _Text]
    unset: _Text
    entity_count: int = _OWN
    not_given: _Text = _Text(())

    def shown(self, value: float, row: Sequence[float]) -> str:
        """Returns the sentence for a value; row: the whole row of the catalogue, NaN where unset."""
        currency = _HOME_CURRENCY if row[feature_index()["is_foreign_currency"]] == 0 else ""
        if value != value:  # noqa: PLR0124  # NaN
            if self.entity_count != _OWN and row[self.entity_count] != row[self.entity_count]:
                return self.not_given.shown(value, row, currency) or self.name
            return self.unset.shown(value, row, currency) or self.name
        only = self.values.get(value)
        for text in self.set if only is None else (only,):
            shown = text.shown(value, row, currency)
            if shown is not None:
                # One that begins with a number may begin in words: less than …
                begins_with_value = not isinstance(text.parts[0], str)
                return shown[0].upper() + shown[1:] if begins_with_value else shown
        return f"{self.name} is {number(value)}"  # a value for which there is no sentence


@dataclass(frozen=True, slots=True)
class _Entry:
    """What `sentences.toml` says of the features whose names fit."""

    name: re.Pattern[str]
    set: tuple[str, ...]
    values: Mapping[str, str]
    unset: str
    not_given: str

    def of(self, name: str) -> Sentence | None:
        found = self.name.fullmatch(name)
        if found is None:
            return None
        groups = {group: text for group, text in found.groupdict().items() if text is not None}
        return Sentence(
            name,
            tuple(_text(each, groups) for each in self.set),
            {float(value): _text(each, groups) for value, each in self.values.items()},
            _text(self.unset, groups),
            feature_index().get(_ENTITY_COUNT.format(entity=_not_always_given(groups)), _OWN),
            _text(self.not_given, groups) if _not_always_given(groups) else _Text(()),
        )


def _not_always_given(groups: Mapping[str, str]) -> str:
    """Returns the entity that a sentence is on, where a transaction may lack it; else ""."""
    entity = groups.get("entity", "")
    return "" if entity == "account" else entity


def _text(template: str, groups: Mapping[str, str]) -> _Text:
    """Reads a sentence. Raises ValueError for a format, KeyError for a feature or group that there is not."""
    words = {group: _WORDS.get(text, span_in_words(text)) for group, text in groups.items()}
    inside = _BRACES.sub(lambda mark: _GROUP.sub(lambda group: groups[group[1]], mark[0]), template)
    whole = _GROUP.sub(lambda group: words[group[1]], inside)
    parts: list[str | tuple[int, Format]] = []
    for literal, field, kind, _ in Formatter().parse(whole):
        if literal:
            parts.append(literal)
        if field is not None:
            parts.append((_OWN if field == "value" else feature_index()[field], format_of(kind or "number")))
    return _Text(tuple(parts))


@cache
def _entries() -> tuple[_Entry, ...]:
    document = tomllib.loads(files("kuntur.reasons").joinpath("sentences.toml").read_text(encoding="utf-8"))
    return tuple(
        _Entry(
            re.compile(entry["name"]),
            tuple(entry.get("set", ())),
            entry.get("values", {}),
            entry["unset"],
            document["entity_not_given"],
        )
        for entry in document["sentence"]
    )


def has_sentence(name: str) -> bool:
    """Tells whether `sentences.toml` has a sentence for a feature, beside the plain one for all others."""
    return any(entry.name.fullmatch(name) for entry in _entries())


@cache
def sentence_of(name: str) -> Sentence:
    """Returns the sentence of a feature of the catalogue or an attribute; for any other name a plain one."""
    for entry in _entries():
        sentence = entry.of(name)
        if sentence is not None:
            return sentence
    known = {feature.name: feature for feature in CATALOGUE}
    subject = known[name].description if name in FEATURE_NAMES else name
    unset = _Text((f"{subject}: not known",))
    return Sentence(name, (_Text((f"{subject}: ", (_OWN, number))),), {}, unset)
