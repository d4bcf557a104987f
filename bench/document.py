"""`python -m bench.document`: puts the tables of bench/results into docs/performance.md, between their marks.

`<!-- table NAME -->` and `<!-- end -->` stand around what is replaced by the table of NAME.json; a table
that was not measured stays as it is. Words around the tables are written by hand.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.measuring.report import RESULTS, Sheet, read

_PAGE = Path("docs/performance.md")
_MARKED = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str, tables: dict[str, Sheet]) -> str:
    """Returns a page with the tables between their marks; those that are not given stay."""

    def replaced(found: re.Match[str]) -> str:
        sheet = tables.get(found[2])
        return found[0] if sheet is None else f"{found[1]}{sheet.title}:\n\n{sheet.markdown()}{found[3]}"

    return _MARKED.sub(replaced, text)


def main() -> None:
    """Rewrites the page."""
    text = _PAGE.read_text(encoding="utf-8")
    found = {name: read(name, RESULTS) for _, name, _ in _MARKED.findall(text)}
    _PAGE.write_text(
        with_tables(text, {name: both[1] for name, both in found.items() if both}), encoding="utf-8"
    )
    missing = sorted(name for name, both in found.items() if both is None)
    print(f"Written to {_PAGE}" + (f"; not measured: {', '.join(missing)}" if missing else ""))


if __name__ == "__main__":
    main()
