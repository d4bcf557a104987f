"""The catalogue as a page for people: `python -m kuntur.features.document > docs/features.md`."""

from __future__ import annotations

import sys

from kuntur.features.catalogue import CATALOGUE, catalogue_fingerprint
from kuntur.records.layout import ACCOUNT_RECORD_WORDS, PROFILE_RECORD_WORDS
from kuntur.time_zone import DEFAULT_TIME_ZONE

_BYTES_A_WORD = 8


def render() -> str:
    """Returns the page as Markdown."""
    lines = [
        "# The features",
        "",
        "Made from the catalogue by `make generate`; do not edit.",
        "",
        f"{len(CATALOGUE)} features; fingerprint `{catalogue_fingerprint()[:16]}`. "
        "A feature sees only what was there",
        "before its transaction: earlier transactions in the order in which they came, "
        "and outcomes reported before the",
        "current hour. " + ", ".join(f"`{f.name}`" for f in CATALOGUE if f.local) + " are in the time zone",
        f"of the institution (`institution.time_zone`, by default {DEFAULT_TIME_ZONE}), "
        "which server, trainer and model have in common.",
        "",
        f"An account's record takes {ACCOUNT_RECORD_WORDS * _BYTES_A_WORD} bytes, "
        "that of a merchant, device or category",
        f"{PROFILE_RECORD_WORDS * _BYTES_A_WORD}, and 12 to 24 bytes each in an index.",
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
