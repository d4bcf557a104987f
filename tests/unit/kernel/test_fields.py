"""The declared fields against the contract: its stubs, its comments, and the page for people."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

import clients
from kuntur.api.v1 import outcome_pb2, transaction_pb2
from kuntur.fields.document import render
from kuntur.fields.kinds import Amount, Attributes, Choice, Field, Moment, Real, Text, Whole, short
from kuntur.fields.outcome import OUTCOME_FIELDS
from kuntur.fields.schema import TRANSACTION_COLUMNS
from kuntur.fields.transaction import ATTRIBUTES, IP_ADDRESS, KEYS, MAX_ID_BYTES, TRANSACTION_FIELDS
from kuntur.transaction import KeyColumn, Transaction

_ROOT = Path(__file__).parents[3]
_PROTOS = _ROOT / "protos" / "kuntur" / "api" / "v1"
_MESSAGES: list[tuple[type[Message], Sequence[Field]]] = [
    (transaction_pb2.Transaction, TRANSACTION_FIELDS),
    (outcome_pb2.Outcome, OUTCOME_FIELDS),
]
# Numbers in comments that are no limits: names of standards, and when codes were withdrawn.
_NO_LIMITS = re.compile(r"ISO [0-9]+(-[0-9])?( alpha-2)?|IPv[46]|since 1990")


def _type(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return f"map<{_type(key)}, {_type(value)}>"
    named = field.message_type or field.enum_type
    if named is not None:
        return str(named.name)
    names = {
        FieldDescriptor.TYPE_STRING: "string",
        FieldDescriptor.TYPE_INT64: "int64",
        FieldDescriptor.TYPE_INT32: "int32",
        FieldDescriptor.TYPE_DOUBLE: "double",
    }
    return names[field.type]


def _tells_unset_from_zero(field: Field) -> bool:
    return isinstance(field, Moment | Real) or (isinstance(field, Whole) and field.optional)


@pytest.mark.parametrize(("message", "fields"), _MESSAGES)
def test_the_contract_has_exactly_the_declared_fields(
    message: type[Message], fields: Sequence[Field]
) -> None:
    descriptor: Descriptor = message.DESCRIPTOR
    assert [(f.name, f.number, f.type_words, _tells_unset_from_zero(f)) for f in fields] == [
        (f.name, f.number, _type(f), f.has_presence) for f in descriptor.fields
    ]


@pytest.mark.parametrize(("message", "fields"), _MESSAGES)
def test_an_enum_has_the_values_of_the_contract(message: type[Message], fields: Sequence[Field]) -> None:
    for field in fields:
        if not isinstance(field, Choice):
            continue
        enum = message.DESCRIPTOR.fields_by_name[field.name].enum_type
        prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
        declared = {value.name: value.value for value in field.enum}
        if field.required:  # then it has no value for "not given"
            declared["UNSPECIFIED"] = 0
        assert {v.name.removeprefix(prefix): v.number for v in enum.values} == declared
        assert sorted(declared.values()) == list(range(field.last + 1))


def test_values_and_tables_have_the_declared_fields() -> None:
    names = [field.name for field in TRANSACTION_FIELDS]
    assert {field.name for field in dataclasses.fields(Transaction)} == set(names)
    assert [*TRANSACTION_COLUMNS, ATTRIBUTES.name] == names
    assert {field.name for field in dataclasses.fields(clients.Outcome)} == {f.name for f in OUTCOME_FIELDS}
    assert list(KEYS) == list(KeyColumn)


def test_each_of_a_pair_names_the_other() -> None:
    pairs = {f.name: f.together_with for f in TRANSACTION_FIELDS if isinstance(f, Real) and f.together_with}
    assert pairs == {other: name for name, other in pairs.items()}


def _comments(message: type[Message]) -> dict[str, str]:
    """Returns the comment of each field of a message, in one line; that of the message itself under ""."""
    lines = (_PROTOS / f"{message.DESCRIPTOR.name.lower()}.proto").read_text(encoding="utf-8").splitlines()
    comments: dict[str, str] = {}
    inside, said = False, []
    for line in map(str.strip, lines):
        if line.startswith("//"):
            said.append(line.removeprefix("//").strip())
            continue
        if line == f"message {message.DESCRIPTOR.name} {{":
            inside, comments[""] = True, " ".join(said)
        elif inside and (declared := re.fullmatch(r".* (\w+) = [0-9]+;", line)):
            comments[declared[1]] = " ".join(said)
        said = []
    return comments


def _limits(field: Field) -> list[str]:
    """Returns the limits of a field in the words of the contract."""
    match field:
        case Text():
            return [words for words in (field.form, field.length_words) if words]
        case Amount():
            return [f"above 0, or 0 for a {field.zero_only_for.name}", f"at most {short(field.high)}"]
        case Attributes():
            return [f"at most {field.max_name_bytes} bytes", f"at most {field.most} entries"]
        case Choice():
            return []
        case _:
            return [field.range_words]


@pytest.mark.parametrize(("message", "fields"), _MESSAGES)
def test_comments_of_the_contract_state_the_declared_limits_and_no_others(
    message: type[Message], fields: Sequence[Field]
) -> None:
    comments = _comments(message)
    assert set(comments) == {"", *(field.name for field in fields)}
    for field in fields:
        comment, limits = comments[field.name], _limits(field)
        for limit in limits:
            assert limit in comment, field.name
        assert ("equired" in comment) == field.required, field.name
        if isinstance(field, Text) and not field.required:
            assert "Optional" in comment, field.name
        stated, declared = (
            set(re.findall(r"[0-9][0-9,^-]*", _NO_LIMITS.sub("", text))) for text in (comment, str(limits))
        )
        assert {number.rstrip(",-") for number in stated} <= {
            "0",  # "below 0 when overdrawn"
            *(number.rstrip(",-") for number in declared),
        }, field.name


def test_the_comment_on_ids_states_their_length() -> None:
    lengths = {field.max_bytes for field in KEYS.values() if field.max_bytes}
    assert len(lengths) == 1
    assert f"at most {lengths.pop()} bytes" in _comments(transaction_pb2.Transaction)[""]


def test_the_tables_of_the_page_are_those_of_the_declaration() -> None:
    page = (_ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert render(page) == page
    for stale in ("at most 10^13", "1 to 128 bytes"):
        assert stale in page
        assert render(page.replace(stale, "as much as you like")) == page


def test_what_the_page_says_of_limits_elsewhere_is_declared_too() -> None:
    page = (_ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert f"longer than {MAX_ID_BYTES} bytes, an address than {IP_ADDRESS.max_bytes}" in page
    assert f"Attribute name to column, at most {ATTRIBUTES.most}:" in page


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no marks for the fields of a transaction"):
        render("# A page\n")
