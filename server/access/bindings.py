"""Which identity has which roles and acts for which institutions: the TOML file of bindings.

One binding applies to an identity, never two together: rights of several would add up to what nobody gave. An
identity that is named in full goes before patterns, and patterns in the order of the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field, ValidationError, field_validator

from kuntur.files.toml import parse_toml
from kuntur.settings.section import Section
from kuntur.wire import InstitutionSet
from server.access.identity import MAX_IDENTITY, is_spiffe_id
from server.access.roles import DATA, Role, methods_of

_ANY = "*"
_KINDS = ("spiffe://", "dn:", "token:")
_SEGMENT, _REST = "[A-Za-z0-9._-]+", "[A-Za-z0-9._/-]+"


class BindingsError(Exception):
    """A file of bindings that cannot be used: what is wrong, a line each."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What an identity may do."""

    roles: frozenset[Role]
    methods: frozenset[str]
    """The methods that these roles open."""
    institutions: InstitutionSet | None
    """Those that it acts for; None: all."""
    institution_ids: tuple[str, ...]
    """Their ids, as the file has them."""
    max_calls: int | None
    """Calls in flight at a time; None: as the server's limits have it."""
    max_streams: int | None
    """Streams open at a time; None: the same."""


class Bindings:
    """All bindings of a server, looked up by identity."""

    def __init__(
        self, named: dict[str, Binding], patterns: Sequence[tuple[re.Pattern[str], Binding]]
    ) -> None:
        self._named = named
        self._patterns = tuple(patterns)

    def __len__(self) -> int:
        """Returns how many identities and patterns are bound."""
        return len(self._named) + len(self._patterns)

    def of(self, identity: str) -> Binding | None:
        """Returns the binding that applies to an identity."""
        found = self._named.get(identity)
        if found is not None:
            return found
        for pattern, binding in self._patterns:
            if pattern.fullmatch(identity):
                return binding
        return None


class _Entry(Section):
    identities: tuple[str, ...] = Field(min_length=1)
    roles: tuple[Role, ...] = Field(min_length=1)
    institutions: tuple[str, ...] = ()
    max_calls: int | None = Field(None, ge=1, le=65_536)
    max_streams: int | None = Field(None, ge=1, le=4096)

    @field_validator("identities")
    @classmethod
    def _known_forms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for identity in value:
            if not identity.startswith(_KINDS) or len(identity) > MAX_IDENTITY:
                raise ValueError(f"{identity!r} should begin with one of {', '.join(_KINDS)}")
            if identity.startswith("spiffe://"):
                if not is_spiffe_id(_example_of(identity)):
                    raise ValueError(
                        f"{identity!r} is no SPIFFE ID, spiffe://TRUST-DOMAIN/PATH, and no pattern of one"
                    )
            elif identity in _KINDS:
                raise ValueError(f"{identity!r} names nobody")
        return value


class _Document(Section):
    binding: tuple[_Entry, ...] = ()


def read_bindings(raw: bytes) -> Bindings:
    """Returns the bindings in a file. Raises BindingsError with everything that is wrong."""
    try:
        document = _Document.model_validate(parse_toml(raw.decode()))
    except UnicodeDecodeError as error:
        raise BindingsError("it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise BindingsError(f"it is not valid TOML: {error}") from error
    except ValidationError as error:
        raise BindingsError(
            "\n".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}"
                for each in error.errors()
            )
        ) from error
    named: dict[str, Binding] = {}
    patterns: dict[str, tuple[re.Pattern[str], Binding]] = {}
    wrong: list[str] = []
    for number, entry in enumerate(document.binding):
        wrong += (f"binding.{number}.{fault}" for fault in _faults(entry))
        binding = _binding(entry)
        for identity in entry.identities:
            if identity in named or identity in patterns:
                wrong.append(f"binding.{number}.identities: {identity!r} is bound twice")
            elif _is_pattern(identity):
                patterns[identity] = (_pattern(identity), binding)
            else:
                named[identity] = binding
    if wrong:
        raise BindingsError("\n".join(wrong))
    return Bindings(named, list(patterns.values()))


def _faults(entry: _Entry) -> list[str]:
    faults = []
    data = sorted(DATA & set(entry.roles))
    if data and not entry.institutions:
        faults.append(
            f'institutions: the role {data[0]} acts for institutions: name them, or ["*"] for every one'
        )
    if entry.institutions and not data:
        faults.append("institutions: none of the roles acts for institutions")
    if _ANY in entry.institutions and len(entry.institutions) > 1:
        faults.append('institutions: "*" is every one already')
    if any(_ANY in each and each != _ANY for each in entry.institutions):
        faults.append('institutions: are named in full, or "*" for every one')
    return faults


def _binding(entry: _Entry) -> Binding:
    roles = frozenset(entry.roles)
    return Binding(
        roles=roles,
        methods=methods_of(roles),
        institution_ids=entry.institutions,
        institutions=None if _ANY in entry.institutions else InstitutionSet(entry.institutions),
        max_calls=entry.max_calls,
        max_streams=entry.max_streams,
    )


def _is_pattern(identity: str) -> bool:
    """Returns whether it is one: only SPIFFE IDs have patterns, a star in a subject is a star."""
    return identity.startswith("spiffe://") and "*" in identity


def _pattern(identity: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", identity)
    return re.compile("".join({"*": _SEGMENT, "**": _REST}.get(part, re.escape(part)) for part in parts))


def _example_of(identity: str) -> str:
    """Returns an identity that a pattern matches; what is no pattern comes back as it is.

    A star stands for a whole segment of the path, two for what is left of it.
    """
    domain, slash, path = identity.removeprefix("spiffe://").partition("/")
    segments = path.split("/")
    if segments[-1] == "**":
        segments[-1] = "x"
    return f"spiffe://{domain}{slash}{'/'.join('x' if each == _ANY else each for each in segments)}"
