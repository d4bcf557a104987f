"""The fields as tables in a page, between marks: `python -m kuntur.fields.document docs/data.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from kuntur.fields.kinds import Field, Real
from kuntur.fields.outcome import OUTCOME_FIELDS
from kuntur.fields.transaction import TRANSACTION_FIELDS

_BEGIN = "<!-- {}: made by `make generate`, do not edit -->"
_END = "<!-- end of {} -->"
_TABLES = {"fields of a transaction": TRANSACTION_FIELDS, "fields of an outcome": OUTCOME_FIELDS}


def table(fields: Iterable[Field]) -> str:
    """Returns fields as a table in Markdown."""
    lines = [
        "| field | meaning | type | values | not given |",
        "| --- | --- | --- | --- | --- |",
    ]
    for field in fields:
        values = f"{field.range_words} {field.unit}".strip()
        if isinstance(field, Real) and field.together_with:
            values += f"; with `{field.together_with}` or not at all"
        not_given = "required" if field.required else field.unset_words
        cells = (f"`{field.name}`", field.meaning, field.type_words, values, not_given)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def render(page: str) -> str:
    """Returns a page with its tables of fields as declared. Raises ValueError where a mark is missing."""
    for name, fields in _TABLES.items():
        before, begin, rest = page.partition(_BEGIN.format(name))
        _, end, after = rest.partition(_END.format(name))
        if not begin or not end:
            raise ValueError(f"the page has no marks for the {name}")
        page = f"{before}{begin}\n\n{table(fields)}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")
