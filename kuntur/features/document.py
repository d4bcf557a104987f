"""The catalogue as a page for people: `python -m kuntur.features.document > docs/features.md`."""

from __future__ import annotations

import sys

from kuntur.features.catalogue import CATALOGUE, LOCAL_TIME_OFFSET_H, catalogue_fingerprint
from kuntur.features.layout import ACCOUNT_RECORD_WORDS, PROFILE_RECORD_WORDS

_BYTES_A_WORD = 8


def render() -> str:
    """Gives the page as Markdown."""
    lines = [
        "# The features",
        "",
        "Made from the catalogue by `make generate`; do not edit.",
        "",
        f"{len(CATALOGUE)} features; fingerprint `{catalogue_fingerprint()[:16]}`. "
        "A feature sees only what was there",
        "before its transaction: earlier transactions in the order in which they came, "
        "and outcomes reported before the",
        f"current hour. Hours and days of the row features are Peru's (UTC{LOCAL_TIME_OFFSET_H}).",
        "",
        f"An account's record takes {ACCOUNT_RECORD_WORDS * _BYTES_A_WORD} bytes, "
        "that of a merchant, device or category",
        f"{PROFILE_RECORD_WORDS * _BYTES_A_WORD}, and 16 bytes each in an index.",
        "",
        "Inputs that only one institution has are attributes: "
        "a model uses attribute NAME as `attribute.NAME`.",
        "",
        "| feature | what it is | unit | from | why | personal data | since |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for f in CATALOGUE:
        source = ", ".join(f.source)
        cells = (f"`{f.name}`", f.description, f.unit, source, f.why, f.personal_data.value, f.since)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
